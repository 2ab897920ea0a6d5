-- dp texts
select lower(name) as a, upper(name) as b, length(name) as c, reverse(name) as d, left(name, 2) as e, right(name, 2) as f from people
-- dp trimming
select trim('  x ') as a, ltrim('xxa', 'x') as b, rtrim('axx', 'x') as c, trim(both 'x' from 'xax') as d
-- dp padding
select lpad(name, 5, '*') as a, rpad(name, 2, '*') as b, repeat('ab', 2) as c from people
-- dp concat with nulls
select concat(name, country, small) as a, concat_ws('-', name, country) as b, name || '-' || country as c from people
-- dp replace and split
select replace(name, 'n', 'm') as a, split_part('a,b,c', ',', 2) as b, split_part('a,b,c', ',', -1) as c, strpos(name, 'n') as d, position('n' in name) as e from people
-- dp substrings
select substring(name, 2) as a, substring(name, 1, 2) as b, substr(name, 2, 1) as c, substring(name from 2 for 2) as d, substring(name, 0, 2) as e from people
-- d substrings from the end
select substring(name, -2) as a, substring(name, -3, 2) as b from people
-- dp regexp_replace
select regexp_replace('aaa', 'a', 'b') as a, regexp_replace('aaa', 'a', 'b', 'g') as b, regexp_replace('john smith', '(\w+) (\w+)', '\2 \1') as c
-- d regexp_matches
select regexp_matches(name, 'n$') as a, regexp_matches(name, 'AN', 'i') as b, regexp_full_match(name, 'A.a') as c from people
-- d regexp_extract
select regexp_extract('a12b345', '[0-9]+') as a, regexp_extract('a12b345', 'b([0-9]+)', 1) as b, regexp_extract_all('a12b345', '[0-9]+') as c, regexp_extract('x', '[0-9]') as d
-- d string_split
select string_split('a,b,,c', ',') as a, string_split_regex('a1b22c', '[0-9]+') as b
-- p string_to_array
select string_to_array('a,b,,c', ',') as a, array_to_string(array['a', 'b'], '-') as b
-- d starts and ends
select starts_with(name, 'A') as a, ends_with(name, 'n') as b, contains(name, 'n') as c, instr(name, 'n') as d from people
-- dp translate and codes
select translate('abc', 'ab', 'x') as a, ascii('A') as b, chr(65) as c
-- p initcap
select initcap('hello wORLD') as a
-- dp null helpers
select nullif(small, 7) as a, coalesce(null, country, 'x') as b from people
-- d more null helpers
select ifnull(small, 0) as a, if(active, 'y', 'n') as b from people
-- d names of days and months
select dayname(joined) as a, monthname(joined) as b, dayofyear(joined) as c, dayofweek(joined) as d, weekofyear(joined) as e, isodow(joined) as f from people
-- d parts as functions
select year(joined) as a, month(joined) as b, day(joined) as c, hour(joined) as d, minute(joined) as e, second(joined) as f, quarter(joined) as g, week(joined) as h from people
-- d date_diff
select date_diff('day', joined, timestamp '2026-05-22 12:00:00') as a, date_diff('month', joined, timestamp '2026-05-22') as b, datediff('week', joined, timestamp '2026-05-22') as c, date_diff('hour', joined, timestamp '2026-05-22') as d, date_diff('year', born, date '2026-05-22') as e from people
-- d date_sub
select date_sub('month', joined, timestamp '2026-05-22') as a, date_sub('day', joined, timestamp '2026-05-22') as b from people
-- d date_add
select date_add(born, interval '1 month') as a from people
-- d strftime
select strftime(joined, '%Y-%m-%d %H:%M:%S') as a, strftime(born, '%d/%m/%y %a %b %j') as b, strftime(joined, '%-d.%-m %p %I') as c from people
-- d strptime
select strptime('2026-05-22 10:11:12', '%Y-%m-%d %H:%M:%S') as a, strptime('22/05/2026', '%d/%m/%Y') as b, try_strptime('x', '%Y') as c
-- p to_char
select to_char(joined, 'YYYY-MM-DD HH24:MI:SS') as a, to_char(joined, 'Mon DD, YYYY') as b, to_char(born, 'FMMonth') as c, to_char(joined, 'Day') as d, to_char(joined, 'IYYY-IW') as e, to_char(joined, 'Q') as f from people
-- p to_date
select to_date('2026-05-22', 'YYYY-MM-DD') as a, to_timestamp('2026-05-22 10:11', 'YYYY-MM-DD HH24:MI') as b
-- dp to_timestamp of seconds
select to_timestamp(1700000000) as a, to_timestamp(1.5) as b
-- d epochs
select epoch(joined) as a, epoch_ms(joined) as b, epoch_us(joined) as c from people
-- d last_day and make_date
select last_day(joined) as a, make_date(2026, 2, 28) as b, make_timestamp(2026, 2, 28, 1, 2, 3.5) as c from people
-- p make_date
select make_date(2026, 2, 28) as b, make_timestamp(2026, 2, 28, 1, 2, 3.5) as c
-- p age
select age(timestamp '2026-05-22', timestamp '2026-05-01') as a
-- d time_bucket
select time_bucket(interval '1 week', joined) as a, time_bucket(interval '15 minutes', joined) as b, time_bucket(interval '3 months', joined) as c from people
-- d any_value
select country, any_value(country) as a from people group by country
-- d arg_max
select arg_max(name, id) as a, arg_min(name, score) as b, max_by(name, small) as c from people
-- d count_if
select count_if(active) as a, count_if(small > 2) as b from people
-- d medians
select median(small) as a, median(score) as b from people
-- d quantiles
select quantile_cont(small, 0.25) as a, mode(country) as b from people
-- p percentiles
select percentile_cont(0.5) within group (order by score) as a from people
-- dp deviations
select stddev(small) as a, variance(small) as b, stddev_pop(score) as c, var_pop(score) as d, corr(small, id) as e from people
-- dp string_agg
select string_agg(name, ',' order by id) as a from people
-- dp array_agg
select array_agg(small order by id) as a from people
-- d list
select list(id order by id desc) as a, len(list(id)) as b from people
-- d lists
select [1, 2, 3] as a, list_contains([1, 2], 2) as b, [1, 2, 3][1] as c, list_distinct([1, 1]) as d, list_value(1, 2) as e
-- dp unnest
select unnest(array[1, 2, 3]) as x
-- dp generate_series
select x from generate_series(1, 3) as t(x)
-- d range
select x from range(3) as t(x)
-- d json
select body -> 'b' ->> 'c' as a, body ->> '$.b.c' as b, json_extract_string(body, '$.l[1]') as c from docs
-- p json
select body::json -> 'b' ->> 'c' as a, body::json ->> 'a' as b, body::json -> 'l' ->> 1 as c from docs
-- d structs
select {'a': 1, 'b': 'x'}['b'] as a
-- dp bits
select 5 & 3 as a, 5 | 3 as b, 1 << 4 as c
-- d xor
select xor(5, 3) as a
-- p xor
select 5 # 3 as a
-- d typeof
select typeof(1) as a
-- d hash
select hash('x') is not null as a
-- d uuid
select length(uuid()::varchar) as a
-- dp trigonometry
select sin(1) as a, cos(1) as b, atan2(1, 2) as c, pi() as d, degrees(1) as e, radians(180) as f
-- dp truncation
select trunc(2.7) as a, trunc(-2.7) as b
-- p truncation to digits
select trunc(2.777, 1) as a
-- p div
select div(7, 2) as a, div(-7, 2) as b
-- p regexp_like
select regexp_like(name, 'n$') as a, regexp_substr(name, '[a-z]+') as b from people
-- d printf
select printf('%d', 3) as a
-- d sign and gcd
select sign(balance) as a, gcd(12, 18) as b, lcm(4, 6) as c, even(2.9) as d from people
-- d bit_xor
select bit_xor(id) as a, bit_and(id) as b from people
-- d product
select product(small) as a from people
-- d histogram
select histogram(country) as a from people
-- d first
select first(name order by id) as a from people
-- p every
select every(active) as a from people
-- d encode
select to_base64('abc'::blob) as a, hex('abc') as b
-- d age
select age(timestamp '2026-05-22', timestamp '2026-05-01') as a
-- dp grouping function
select country, grouping(country) as g, count(*) as n from people group by rollup (country)
-- dp aggregates of nothing
select max(name) as a, string_agg(name, ',') as b, bool_or(active) as c from people where false
-- p btrim
select btrim('xax', 'x') as a
-- dp doubles beside decimals
select id from people where score > 0.3 and score * 1.5 < 100 and score between -2.5 and 2.5 and score in (1.5, 0.1)
