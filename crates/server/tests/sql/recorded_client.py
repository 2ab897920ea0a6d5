"""Statements as drivers send them, recorded once: JDBC's and ODBC's metadata, BI tools' probes."""
import os

import psycopg

where = f"host=127.0.0.1 port={os.environ['PORT']} user=ana dbname=prod"


def check(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


with psycopg.connect(where, autocommit=True) as c:
    def rows(statement):
        return c.execute(statement.encode()).fetchall()

    # pgjdbc: settings at connect, then DatabaseMetaData.
    c.execute("SET extra_float_digits = 3")
    c.execute("SET application_name = 'PostgreSQL JDBC Driver'")
    check(rows("SELECT setting FROM pg_catalog.pg_settings WHERE name='max_index_keys'"), [("32",)])
    tables = rows("""SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME,
 CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
 WHEN true THEN CASE
   WHEN n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' THEN CASE c.relkind
     WHEN 'r' THEN 'SYSTEM TABLE' WHEN 'v' THEN 'SYSTEM VIEW' WHEN 'i' THEN 'SYSTEM INDEX' ELSE NULL END
   ELSE NULL END
 WHEN false THEN CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE NULL END
 ELSE NULL END AS TABLE_TYPE, d.description AS REMARKS,
 '' as TYPE_CAT, '' as TYPE_SCHEM, '' as TYPE_NAME, '' AS SELF_REFERENCING_COL_NAME, '' AS REF_GENERATION
 FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 and d.classoid = 'pg_class'::regclass)
 WHERE c.relnamespace = n.oid AND n.nspname LIKE 'shop'
 ORDER BY TABLE_TYPE,TABLE_SCHEM,TABLE_NAME""")
    check([row[1:5] for row in tables], [("shop", "orders", "TABLE", "One line for each order."),
                                         ("shop", "large_orders", "VIEW", None)])
    columns = rows("""SELECT * FROM (SELECT n.nspname,c.relname,a.attname,a.atttypid,
 a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull,a.atttypmod,a.attlen,t.typtypmod,
 row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum,
 nullif(a.attidentity, '') as attidentity,nullif(a.attgenerated, '') as attgenerated,
 pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc,dsc.description,t.typbasetype,t.typtype
 FROM pg_catalog.pg_namespace n
 JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)
 JOIN pg_catalog.pg_attribute a ON (a.attrelid=c.oid)
 JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
 LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid=def.adrelid AND a.attnum = def.adnum)
 LEFT JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)
 LEFT JOIN pg_catalog.pg_class dc ON (dc.oid=dsc.classoid AND dc.relname='pg_class')
 LEFT JOIN pg_catalog.pg_namespace dn ON (dc.relnamespace=dn.oid AND dn.nspname='pg_catalog')
 WHERE c.relkind in ('r','p','v','f','m') and a.attnum > 0 AND NOT a.attisdropped
 AND n.nspname LIKE 'shop' AND c.relname LIKE 'orders') c WHERE true ORDER BY nspname,c.relname,attnum""")
    check([(row[2], row[8]) for row in columns][:3], [("id", 1), ("customer", 2), ("amount", 3)])
    check(rows("""SELECT result.TABLE_CAT, result.TABLE_SCHEM, result.TABLE_NAME, result.COLUMN_NAME,
 result.KEY_SEQ, result.PK_NAME FROM (SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM,
 ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME,
 (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME,
 information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM
 FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
 JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
 JOIN pg_catalog.pg_index i ON ( a.attrelid = i.indrelid)
 JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
 WHERE true AND n.nspname = 'shop' AND ct.relname = 'orders' AND i.indisprimary ) result
 where result.A_ATTNUM = (result.KEYS).x ORDER BY result.table_name, result.pk_name, result.key_seq"""), [])
    check(rows("""SELECT tmp.TABLE_CAT, tmp.TABLE_SCHEM, tmp.TABLE_NAME, tmp.NON_UNIQUE,
 trim(both '"' from pg_catalog.pg_get_indexdef(tmp.CI_OID, tmp.ORDINAL_POSITION, false)) AS COLUMN_NAME,
 CASE tmp.AM_NAME WHEN 'btree' THEN CASE tmp.I_INDOPTION[tmp.ORDINAL_POSITION - 1] & 1::smallint
   WHEN 1 THEN 'D' ELSE 'A' END ELSE NULL END AS ASC_OR_DESC
 FROM (SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME,
 NOT i.indisunique AS NON_UNIQUE, NULL AS INDEX_QUALIFIER, ci.relname AS INDEX_NAME,
 CASE i.indisclustered WHEN true THEN 1 ELSE CASE am.amname WHEN 'hash' THEN 2 ELSE 3 END END AS TYPE,
 (information_schema._pg_expandarray(i.indkey)).n AS ORDINAL_POSITION, ci.reltuples AS CARDINALITY,
 ci.relpages AS PAGES, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS FILTER_CONDITION,
 ci.oid AS CI_OID, i.indoption AS I_INDOPTION, am.amname AS AM_NAME
 FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
 JOIN pg_catalog.pg_index i ON (ct.oid = i.indrelid) JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
 JOIN pg_catalog.pg_am am ON (ci.relam = am.oid) WHERE true AND n.nspname = 'shop') AS tmp
 ORDER BY NON_UNIQUE, TYPE, INDEX_NAME, ORDINAL_POSITION"""), [])
    check(rows("""SELECT NULL::text AS PKTABLE_CAT, pkn.nspname AS PKTABLE_SCHEM, pkc.relname AS PKTABLE_NAME,
 pka.attname AS PKCOLUMN_NAME, NULL::text AS FKTABLE_CAT, fkn.nspname, fkc.relname, fka.attname, pos.n AS KEY_SEQ
 FROM pg_catalog.pg_namespace pkn, pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka,
 pg_catalog.pg_namespace fkn, pg_catalog.pg_class fkc, pg_catalog.pg_attribute fka,
 pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n), pg_catalog.pg_class pkic
 WHERE pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid AND pka.attnum = con.confkey[pos.n]
 AND con.confrelid = pkc.oid AND fkn.oid = fkc.relnamespace AND fkc.oid = fka.attrelid
 AND fka.attnum = con.conkey[pos.n] AND con.conrelid = fkc.oid AND con.contype = 'f'
 AND (pkic.relkind = 'i' OR pkic.relkind = 'I') AND pkic.oid = con.conindid AND fkn.nspname = 'shop'
 ORDER BY pkn.nspname,pkc.relname, con.conname,pos.n"""), [])
    types = rows("""SELECT t.typname,t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON (t.typnamespace = n.oid)
 WHERE n.nspname != 'pg_toast' AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))""")
    assert ("int8", 20) in types and len(types) > 100, len(types)
    check(rows("""SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid
 FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r
 from pg_namespace as ns join ( select s.r, (current_schemas(false))[s.r] as nspname
 from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r using ( nspname )) as sp
 ON sp.nspoid = typnamespace WHERE pg_type.oid = 1009 ORDER BY sp.r, pg_type.oid DESC"""),
          [(True, "b", "_text", 1009)])
    check(len(rows("SELECT nspname AS TABLE_SCHEM, current_database() AS TABLE_CATALOG FROM pg_catalog.pg_namespace "
                   "WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1]) "
                   "AND (nspname !~ '^pg_toast_temp_' OR nspname = replace((pg_catalog.current_schemas(true))[1], "
                   "'pg_temp_', 'pg_toast_temp_')) ORDER BY TABLE_SCHEM")), 5)
    assert rows("""SELECT current_database() AS FUNCTION_CAT, n.nspname AS FUNCTION_SCHEM, p.proname AS FUNCTION_NAME,
 d.description AS REMARKS, pg_catalog.pg_get_function_result(p.oid) AS r
 FROM pg_catalog.pg_proc p INNER JOIN pg_catalog.pg_namespace n ON p.pronamespace=n.oid
 LEFT JOIN pg_catalog.pg_description d ON p.oid=d.objoid
 WHERE true AND p.proname LIKE 'lower' ORDER BY FUNCTION_SCHEM, FUNCTION_NAME, p.oid::text""")
    # psqlodbc: three statements at once, and its probe for large objects.
    cursor = c.execute(b"SET DateStyle='ISO';SET extra_float_digits=2;show transaction_isolation")
    while cursor.nextset():
        pass
    check(cursor.fetchone(), ("repeatable read",))
    check(rows("select oid, typbasetype from pg_type where typname = 'lo'"), [])
    # Npgsql: types with their elements, and what a pool sends back.
    assert len(rows("""SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid
 FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,
  elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind,
  CASE WHEN elemproc.proname='array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype, typ.typcategory
  FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid, typcategory,
   CASE WHEN proc.proname='array_recv' THEN 'a' ELSE typ.typtype END AS typtype,
   CASE WHEN proc.proname='array_recv' THEN typ.typelem WHEN typ.typtype='r' THEN rngsubtype
    WHEN typ.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid)
    WHEN typ.typtype='d' THEN typ.typbasetype END AS elemtypoid
   FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
   LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive
   LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ
  LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid
  LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid)
  LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive) AS t
 JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
 WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind='c') OR
 (typtype = 'p' AND typname IN ('record', 'void', 'unknown')) OR (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd')))
 ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'c' THEN 1 ELSE 2 END""")) > 100
    for statement in ("DISCARD ALL", "SELECT pg_advisory_unlock_all()", "CLOSE ALL", "UNLISTEN *", "RESET ALL"):
        c.execute(statement)
    # Metabase and Superset.
    c.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
    assert rows("""with table_privileges as (
 select NULL as role, t.schemaname as schema, t.objectname as table,
 pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'update') as update,
 pg_catalog.has_table_privilege(current_user, '"' || t.schemaname || '"."' || t.objectname || '"', 'SELECT') as select
 from (select schemaname, tablename as objectname from pg_catalog.pg_tables
 union select schemaname, viewname as objectname from pg_catalog.pg_views
 union select schemaname, matviewname as objectname from pg_catalog.pg_matviews) t
 where t.schemaname !~ '^pg_' and t.schemaname <> 'information_schema' and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage'))
 select t.* from table_privileges t""") == [
        (None, "crm", "contacts", False, True), (None, "fiveply", "query_log", False, True),
        (None, "shop", "orders", False, True), (None, "shop", "large_orders", False, True)]
    c.execute('SET search_path = "crm"')
    check(rows('select id, "Name" from contacts order by id'), [(1, "Ana"), (2, None)])
    check(rows("select table_name, column_name, data_type from information_schema.columns "
               "where table_schema = 'crm' order by ordinal_position"),
          [("contacts", "id", "bigint"), ("contacts", "Name", "text")])
    # The catalog beside a table.
    check(rows("select count(*) from shop.orders o where exists "
               "(select 1 from pg_catalog.pg_tables t where t.tablename = 'orders') and o.id < 4"), [(3,)])
