
fra-1
eu-central€€€€€€"0.1.0(ÜÛŸ£™4J}
shopus-east	 €ĞŸ£™4(ƒĞŸ£™40àÔ8PXó‘b
dns°	b
connectÈLb	
tlsˆ¤b

first_byte£ˆj
http_status_codeÈr