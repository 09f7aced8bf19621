#!/bin/sh
# How much memory and processor time a statement from a file of observations takes: rising in time,
# and region after region, at a sixteenth, a quarter and the whole of COUNT.
#
#     bench/statement/run.sh [COUNT] [WATCHPOST]      default: 21600000 target/dist/watchpost
set -eu
count=${1:-21600000}
watchpost=${2:-target/dist/watchpost}
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/contract.json" <<'JSON'
{"regions":["eu","us","ap","sa","af"],"target_ppm":999000,
 "period":{"tz":"Europe/Berlin","year":2026,"month":6}}
JSON

echo "machine: $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
echo "system: $(uname -sr); $("$watchpost" --version); $(python3 --version)"
echo "input observations MiB cpu_s elapsed_s peak_MiB segments"
for share in 16 4 1; do
    for order in rising by-region; do
        lines=$((count / share))
        file="$folder/o.jsonl"
        if [ "$order" = rising ]; then
            python3 "$here/generate.py" "$lines" "$file"
        else
            python3 "$here/generate.py" "$lines" "$file" --by-region
        fi
        python3 - "$watchpost" "$file" "$folder/contract.json" "$order" "$lines" <<'PY'
import json, os, resource, subprocess, sys, time
watchpost, file, contract, order, lines = sys.argv[1:]
begun = time.monotonic()
command = [watchpost, "report", "--observations", file, "--contract", contract, "--format", "json"]
said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
elapsed, used = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
print(order, lines, os.path.getsize(file) >> 20, round(used.ru_utime + used.ru_stime, 2),
      round(elapsed, 2), round(used.ru_maxrss / 1024, 1), len(said["segments"]))
PY
    done
done
