
fra-1
eu-centralÅÄÄÄÄÄÄ"0.1.0(‹€ü£ô4Jt
shop Ä–ü£ô4(É–ü£ô40‡‘8PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop	 Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop
 Ä–ü£ô4(É–ü£ô40‡‘8@	PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@
PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»rJv
shop Ä–ü£ô4(É–ü£ô40‡‘8@PXÛëb
dns∞	b
connect»Lb	
tlsà§b

first_byte£àj
http_status_code»r