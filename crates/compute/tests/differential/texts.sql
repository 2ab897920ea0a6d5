-- d regexp_matches with flags
select regexp_matches(name, '^a', 'i') as a, regexp_matches(name, 'N', 'c') as b, regexp_matches(E'a\nb', 'a.b', 's') as c from people
-- d regexp_extract with groups and flags
select regexp_extract(name, '(\w)(\w+)', 2) as a, regexp_extract(name, 'A(.)', 1, 'i') as b, regexp_extract('x', '(y)', 1) as c from people
-- d regexp_extract into a struct
select regexp_extract('2026-05-22', '(\d+)-(\d+)-(\d+)', ['y', 'm', 'd'])['m'] as a
-- d regexp_extract_all with groups
select regexp_extract_all('a1b2', '([a-z])(\d)', 2) as a, regexp_extract_all('abc', '\d') as b
-- d regexp_replace with flags
select regexp_replace(name, 'N', 'x', 'gi') as a, regexp_replace(name, '[aeiou]', '', 'g') as b, regexp_replace('a.b', '\.', '-') as c from people
-- p regexp_replace with flags
select regexp_replace(name, 'N', 'x', 'gi') as a, regexp_replace('abc', '(b)', '[\1]') as b, regexp_replace('a$b', '\$', '$') as c from people
-- p regexp_match and substring from pattern
select (regexp_match('a12b', '([0-9]+)'))[1] as a, substring('a12b' from '[0-9]+') as b
-- p regexp_matches unnested
select (regexp_matches('a1b2', '[0-9]', 'g'))[1] as a
-- p regexp_count and instr
select regexp_count('a1b2', '[0-9]') as a, regexp_instr('ab1', '[0-9]') as b
-- dp regular expression operators
select name ~ '^A' as a, name ~* '^a' as b, name !~ 'n$' as c, name !~* 'N$' as d from people
-- dp like and ilike
select name like 'A%' as a, name ilike 'a%' as b, name not like '%n' as c, name not ilike '%N' as d from people
-- d glob
select name glob 'A*' as a from people
-- dp like operators
select name ~~ 'A%' as a, name !~~ 'A%' as b, name ~~* 'a%' as c from people
-- p like any
select name like any(array['A%', 'B%']) as a from people
-- dp similar to
select name similar to '(A|B)%' as a from people where name is not null and false
-- d string_split and its elements
select string_split('a,b,c', ',')[1] as a, split('a b', ' ')[-1] as b, str_split('a', ',') as c, len(string_split('a,b', ',')) as d
-- dp split_part
select split_part('a-b-c', '-', 1) as a, split_part('a-b-c', '-', 4) as b, split_part('a-b-c', '-', -2) as c, split_part(name, 'n', 1) as d from people
-- d split_part with nothing and zero
select split_part('abc', '', 1) as a, split_part('a-b', '-', 0) as b
-- dp concat_ws and concat
select concat_ws(',', 'a', null, 'b') as a, concat('a', null, 1, 2.5) as b, 'a' || 1 as c
-- dp concatenation of numbers
select name || small as a, small || '-' || id as b from people
-- d printf
select printf('%d-%s', 3, 'x') as a, printf('%05d', 42) as b, printf('%.2f', 3.14159) as c, printf('%%') as d, printf('%x', 255) as e
-- d format
select format('{}-{}', 'a', 'b') as a, format('{1} {0}', 'a', 'b') as b, format('{:.2f}', 3.14159) as c, format('{:05d}', 42) as d, format('{:>5}', 'x') as e
-- p format
select format('%s-%s', 'a', 1) as a, format('%I', 'a b') as b, format('%L', 'x') as c, format('%2$s %1$s', 'a', 'b') as d
-- dp md5
select md5('a') as a, md5(name) as b, md5(coalesce(cast(id as varchar), '') || '-' || coalesce(name, '')) as c from people
-- d hashes
select sha256('a') as a, sha1('a') as b, md5('é') as c
-- p sha256
select encode(sha256('a'::bytea), 'hex') as a, encode('abc', 'base64') as b, decode('616263', 'hex') as c
-- p lengths in letters, bytes and bits
select length('héé') as a, octet_length('é') as b, bit_length('é') as c
-- d lengths
select len('abc') as a, strlen('é') as b, length('é') as c, length_grapheme('é') as d, char_length('abc') as e
-- dp left and right with negative lengths
select left('abcdef', -2) as a, right('abcdef', -2) as b, left('abc', 10) as c
-- dp substring with odd places
select substring('abcdef', 0, 3) as a, substr('abcdef', 3) as b, substring('abcdef' from 2 for 3) as c
-- d substring by brackets
select ('abcdef')[2:3] as a, ('abcdef')[1] as b, ('abcdef')[-2:] as c
-- dp position and strpos
select position('c' in 'abc') as a, strpos('abc', 'z') as b
-- d instr and contains
select instr('abcabc', 'c') as a, contains('abc', 'b') as b, prefix('abc', 'a') as c, suffix('abc', 'c') as d
-- dp trim forms
select trim(both from '  x ') as a, trim(leading 'x' from 'xxa') as b, trim(trailing 'x' from 'axx') as c, ltrim('  x') as d, rtrim('x  ') as e, trim('xax', 'x') as f
-- dp padding with numbers
select lpad(id::varchar, 3, '0') as a, rpad('a', 3, 'xy') as b, lpad('abc', 2, 'x') as c from people
-- p initcap
select initcap('hello world-foo') as a
-- d upper and lower and capital
select upper('é') as a, lower('É') as b, ucase('a') as c, lcase('A') as d
-- dp repeat and reverse
select repeat('ab', 3) as a, reverse('abc') as b, repeat('a', 0) as c
-- dp translate
select translate('12345', '143', 'ax') as a
-- dp ascii and chr
select ascii('é') as a, chr(233) as b, ascii('') as c
-- d unicode
select unicode('é') as a, ord('a') as b, ascii('é') as c
-- d levenshtein and friends
select levenshtein('abc', 'abd') as a, editdist3('abc', 'xbc') as b, hamming('abc', 'abd') as c, damerau_levenshtein('abc', 'acb') as d
-- d jaccard
select jaccard('abc', 'abd') as a, jaro_winkler_similarity('martha', 'marhta') as b, jaro_similarity('martha', 'marhta') as c
-- d strip_accents
select strip_accents('mühleisen é') as a
-- d url coding
select url_encode('a b&c') as a, url_decode('a%20b') as b
-- d bar is no number
select bin(5) as a, to_hex(255) as b, hex('a') as c, unhex('61')::varchar as d
-- d base64
select base64('abc'::blob) as a, from_base64('YWJj')::varchar as b
-- d string_agg of distinct
select string_agg(distinct country, ',' order by country) as a from people
-- dp string_agg by group
select country, string_agg(name, ', ' order by name desc) as a from people group by country
-- d listagg and group_concat
select listagg(name, ',' order by id) as a, group_concat(name, ',' order by id) as b, string_agg(name order by id) as c from people
-- dp overlay
select overlay('abcdef' placing 'XX' from 2 for 3) as a
-- d replace and translate with nothing
select replace('abc', 'b', '') as a, replace(null, 'a', 'b') as b
-- dp escapes
select E'a\tb' as a, 'it''s' as b
-- dp dollar quotes
select $$it's$$ as a
-- dp text comparisons
select 'a' < 'b' as a, 'A' < 'a' as b, 'a' = 'a ' as c
-- dp numbers as text and back
select cast(1.50 as varchar) as a, cast(cast(1.5 as double precision) as varchar) as b, cast(true as varchar) as c, '007'::int as d, ' 5 '::int as e
-- d parse paths
select parse_filename('a/b/c.csv') as a, parse_dirname('a/b/c.csv') as b
-- d to_base
select to_base(10, 2) as a
-- d string slices of nothing
select substring('abc', 10) as a, left('', 3) as b
-- p string functions
select btrim('  x ') as a, strpos('abc', 'b') as b, quote_ident('a b') as c, quote_literal('x') as d, starts_with('abc', 'a') as e
-- p string_to_array and unnest
select unnest(string_to_array('a,b', ',')) as a
-- d unnest of a split
select id, unnest(string_split(name, 'n')) as part from people
-- p regexp_split_to_array
select regexp_split_to_array('a1b2c', '[0-9]') as a
-- p regexp_split_to_table
select regexp_split_to_table('a1b2c', '[0-9]') as a
