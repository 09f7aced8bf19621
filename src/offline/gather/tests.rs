use std::path::PathBuf;

use model::config::Needs;
use model::time::Millis;
use proptest::prelude::*;

use super::*;

fn terms() -> Terms {
    Terms {
        needs: Needs::All,
        target_ppm: 999_000,
        grace: Millis::from_ms(10),
        min_outage: Millis::from_ms(5),
        notice: Millis::ZERO,
        credits: Vec::new(),
        windows: Vec::new(),
    }
}

type Row = (u8, u8, u16, u8, u16);

fn line((id, region, at, say, interval): Row) -> String {
    let (region, say) =
        (["a", "b", "c"][usize::from(region)], ["up", "down", "void"][usize::from(say)]);
    format!(
        r#"{{"id":"{id}","region":"{region}","t":{at},"outcome":"{say}","interval_ms":{interval}}}"#
    )
}

/// All ways to reckon it, and whether the one for rising lines could.
fn ways(path: &Path) -> (Vec<(Vec<Span>, u64)>, bool) {
    let regions: Vec<Region> = ["a", "b"].map(|name| Region::new(name).unwrap()).into();
    let terms = terms();
    let (from, to) = (Timestamp::from_ms(50), Timestamp::from_ms(400));
    let question = Question { regions: &regions, terms: &terms, from, to };
    let source = Source::find(path).unwrap();
    let rising = rising::spans(source.clone(), &question).unwrap();
    let rose = rising.is_some();
    let mut found = vec![
        spans_within(path, &question, u64::MAX).unwrap(),
        spans_within(path, &question, 500).unwrap(),
        parted::spans(source.clone(), &question, 1000).unwrap(),
        parted::spans(source, &question, u64::MAX).unwrap(),
    ];
    found.extend(rising);
    (found, rose)
}

fn written(folder: &Path, rows: &[Row]) -> PathBuf {
    let path = folder.join("o.jsonl");
    let lines: Vec<String> = rows.iter().map(|row| line(*row)).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Few ids and instants, so that ids come twice and instants are shared.
    #[test]
    fn every_way_gives_the_same_spans_and_contradictions(
        mut rows in proptest::collection::vec((0_u8..60, 0_u8..3, 0_u16..500, 0_u8..3, 1_u16..60), 0..60),
        sorted in any::<bool>(),
        unique in any::<bool>(),
    ) {
        if unique {
            let mut seen = std::collections::BTreeSet::new();
            rows.retain(|row| seen.insert(row.0));
        }
        if sorted {
            rows.sort_by_key(|row| row.2);
        }
        let folder = tempfile::tempdir().unwrap();
        let (found, rose) = ways(&written(folder.path(), &rows));
        prop_assert!(rose || !(sorted && unique));
        for other in &found {
            prop_assert_eq!(other, &found[0]);
        }
    }
}

#[test]
fn rising_lines_are_swept_unless_an_id_comes_again_at_another_time() {
    for (rows, rises, conflicts) in [
        (&[(1, 0, 60, 0, 50), (2, 0, 60, 1, 50), (3, 0, 70, 0, 50)][..], true, 0),
        (&[(1, 0, 60, 0, 50), (1, 0, 60, 0, 50)], true, 0),
        (&[(1, 0, 60, 0, 50), (1, 0, 60, 1, 50)], true, 1),
        (&[(1, 0, 60, 0, 50), (1, 0, 61, 0, 50)], false, 1),
        (&[(1, 0, 60, 0, 50), (2, 0, 450, 0, 50), (1, 0, 460, 0, 50)], false, 1),
        (&[(1, 0, 60, 0, 50), (2, 0, 59, 0, 50)], false, 0),
        // Of a region that has no vote, and yet it is the one of its id that counts.
        (&[(1, 0, 60, 0, 50), (1, 2, 60, 0, 40)], true, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (found, rose) = ways(&written(folder.path(), rows));
        assert_eq!(rose, rises, "{rows:?}");
        for other in &found {
            assert_eq!((other, other.1), (&found[0], conflicts), "{rows:?}");
        }
    }
}

#[test]
fn the_files_of_a_folder_are_one_and_a_wrong_line_is_named_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let regions = [Region::new("a").unwrap()];
    let terms = terms();
    let (from, to) = (Timestamp::from_ms(0), Timestamp::from_ms(100));
    let question = Question { regions: &regions, terms: &terms, from, to };
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("1.jsonl", &line((1, 0, 0, 0, 50)));
    write("2.jsonl", &line((2, 0, 100, 0, 50)));
    write("notes.txt", "nothing");
    let whole = spans_within(folder.path(), &question, u64::MAX).unwrap();
    assert_eq!(whole.0.len(), 1);
    assert_eq!(spans_within(folder.path(), &question, 0).unwrap(), whole);
    // Long after the period.
    write("3.jsonl", &format!("{}\n\n{{}}", line((3, 0, 5000, 0, 50))));
    for memory in [0, u64::MAX] {
        let error = spans_within(folder.path(), &question, memory).unwrap_err().to_string();
        assert!(error.contains("3.jsonl:3: column 2: missing field"), "{error}");
    }
}
