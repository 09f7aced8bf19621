
fra-1
eu-central€€€€€€"0.1.0(ÜÛŸ£™4J
shop) €ĞŸ£™4(ƒĞŸ£™40àÔ8@Jstatus 503, wanted 200-299PXó‘b
dns°	b
connectÈLb	
tlsˆ¤b

first_byte£ˆj!
certificate_expiry_sûÿÿÿÿÿÿÿÿj
http_status_code÷zÛ
192.0.2.7:443
[2001:db8::7]:443 HTTP/1.1 503 Service Unavailable
servernginx
retry-after5"<h1>Ãœberlastet</h1>
ï¿½*CN=shop.example, issuer CN=R112https://shop.example/cart:status:503 is not in 200-299