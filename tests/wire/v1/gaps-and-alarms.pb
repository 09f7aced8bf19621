
fra-1
eu-central€€€€€€"0.1.0(ÜÛŸ£™40:(
spool full:**refused by the collectorB-	orders-dbenv:ORDERS_DB_PASSWORD"pinnedB%	orders-dbenv:ORDERS_DB_PASSWORD