-- d timestamps without seconds
select '2026-05-22 10:11'::timestamp as a, timestamp '2026-05-22 10:11' as b, cast('2026-05-22T10:11' as timestamp) as c
-- p timestamps without seconds
select '2026-05-22 10:11'::timestamp as a, timestamp '2026-05-22 10:11' as b
-- dp dates and moments in other spellings
select '2026-5-2'::date as a, cast('2026-05-22 10:11:12' as date) as b, '2026-05-22'::timestamp as c
-- p text plus interval
select '2026-05-22'::text::timestamp + interval '1 day' as a, '2026-05-22'::date + '1 day'::interval as b
-- dp text cast to interval
select born + '1 month'::interval as a, joined - cast('2 hours' as interval) as b from people
-- d date_trunc of dates
select date_trunc('month', born) as a, date_trunc('week', born) as b, date_trunc('year', born) as c, date_trunc('quarter', born) as d from people
-- p date_trunc of dates
select date_trunc('month', born) as a, date_trunc('week', born) as b from people
-- dp date_trunc of moments
select date_trunc('hour', joined) as a, date_trunc('minute', joined) as b, date_trunc('second', joined) as c, date_trunc('day', joined) as d, date_trunc('quarter', joined) as e, date_trunc('decade', joined) as f from people
-- d date_trunc of centuries
select date_trunc('century', joined) as a, date_trunc('millisecond', joined) as b from people
-- dp date_trunc of intervals
select date_trunc('day', interval '3 days 5 hours') as a, date_trunc('hour', interval '3 days 5 hours 10 minutes') as b
-- dp date_part of moments
select date_part('year', joined) as a, date_part('month', joined) as b, date_part('dow', joined) as c, date_part('doy', joined) as d, date_part('week', joined) as e, date_part('quarter', joined) as f, date_part('isodow', joined) as g, date_part('hour', joined) as h from people
-- dp date_part of dates
select date_part('year', born) as a, date_part('day', born) as b, date_part('decade', born) as c, date_part('century', born) as d, date_part('isoyear', born) as e from people
-- dp extract of many parts
select extract(year from joined) as a, extract(dow from born) as b, extract(epoch from joined) as c, extract(week from born) as d, extract('month' from joined) as e, extract(isoyear from joined) as f from people
-- d date_part of a list
select date_part(['year', 'month'], born) as a from people
-- dp extract of differences
select extract(epoch from (joined - timestamp '2026-05-01')) as a, extract(day from (joined - timestamp '2026-05-01')) as b from people
-- d dates and whole numbers
select born + 30 as a, born - 1 as b, born - date '1980-01-01' as c from people
-- dp days between dates
select date '2026-05-22' - born as a from people
-- d date_diff with short units
select date_diff('days', born, date '2026-05-22') as a, datediff('months', born, date '2026-05-22') as b, date_diff('quarter', born, date '2026-05-22') as c, date_diff('minute', joined, timestamp '2026-05-22 12:00:00') as d, date_diff('second', joined, timestamp '2026-05-22 12:00:00') as e from people
-- d date_diff of dates by hours
select date_diff('hour', born, date '2026-05-22') as a, date_diff('week', born, date '2026-05-22') as b, date_diff('century', born, date '2026-05-22') as c from people
-- d datesub by units
select datesub('hour', joined, timestamp '2026-05-22 12:00:00') as a, date_sub('quarter', joined, timestamp '2026-05-22') as b from people
-- d date_add with interval
select date_add(joined, interval 3 day) as a, date_add(born, interval '2 weeks') as b from people
-- d intervals by numbers
select born + interval 2 month as a, born + interval (id) day as b, joined + to_hours(5) as c, joined - to_minutes(id::int) as d from people
-- dp whole numbers times intervals
select joined + id * interval '1 day' as a, joined - 2 * interval '1 hour' as b from people
-- dp intervals compared and added
select interval '1 day' < interval '25 hours' as a, interval '1 month' = interval '30 days' as b, interval '1 day' + interval '2 hours' as c
-- dp negative intervals
select -interval '1 day' as a, interval '-1 day' as b, joined + interval '-2 hours' as c from people
-- d dayname and friends
select dayname(born) as a, monthname(born) as b, dayofyear(born) as c, dayofmonth(born) as d, weekday(born) as e, yearweek(born) as f, era(born) as g from people
-- d strftime of many codes
select strftime(joined, '%Y%m%d') as a, strftime(joined, '%B %d, %Y') as b, strftime(joined, '%I:%M %p') as c, strftime(joined, '%G-W%V-%u') as d, strftime(born, '%x') as e, strftime(joined, '%X') as f from people where joined is not null
-- d strftime with its arguments turned
select strftime('%Y', joined) as a from people
-- d strptime of several formats
select strptime('02/03/26', '%d/%m/%y') as a, strptime('2026-05-22T10:11:12.123', '%Y-%m-%dT%H:%M:%S.%g') as b, strptime('May 22 2026', '%b %d %Y') as c, try_strptime('nope', '%d/%m/%y') as d
-- d strptime with a list of formats
select strptime('2026-05-22', ['%d/%m/%Y', '%Y-%m-%d']) as a, try_strptime('x', ['%Y', '%m']) as b
-- d epochs of dates and intervals
select epoch(born) as a, epoch_ms(1700000000123) as b, epoch(interval '1 day') as c, epoch_ns(joined) as d, make_timestamp(1700000000123456) as e from people
-- d to_timestamp of numbers
select to_timestamp(1700000000) as a, epoch_ms(joined) as b from people
-- d make_time and make_timestamp
select make_time(10, 11, 12.5) as a, make_timestamp(2026, 5, 22, 10, 11, 12.5) as b, make_date(2026, 5, 22) as c
-- p make_interval and make_time
select make_interval(days => 3) as a, make_time(10, 11, 12.5) as b
-- dp age of two moments
select age(timestamp '2026-05-22', joined) as a from people
-- d time_bucket with an origin
select time_bucket(interval '10 days', joined, timestamp '2026-01-01') as a, time_bucket(interval '1 month', born) as b, time_bucket(interval '1 day', joined) as c from people
-- p date_bin
select date_bin(interval '15 minutes', joined, timestamp '2026-01-01') as a from people
-- d last_day of dates
select last_day(born) as a, last_day(date '2024-02-10') as b from people
-- d today and its kin
select today() as a, current_date as b, current_date - 1 as c, current_date + interval '1 day' as d
-- dp today's parts
select current_date as a, extract(year from current_date) as b, current_date - interval '1 day' as c, date_trunc('month', current_date) as d
-- dp now and days
select now()::date as a, (now() - interval '1 day')::date as b, current_timestamp::date as c
-- d times of day
select '10:11:12'::time as a, joined::time as b, time '10:00' + interval '90 minutes' as c from people
-- dp a date and a time
select born + time '10:11:12' as a from people
-- d greatest of dates and text
select greatest(born, date '1990-01-01') as a, least(joined, timestamp '2026-05-01') as b from people
-- dp dates compared with text
select id from people where born >= '1990-01-01' and joined < '2026-05-22 10:00:00'
-- dp dates between texts
select id from people where born between '1985-01-01' and '1999-12-31'
-- dp dates in texts
select id from people where born in ('1990-02-28', '1970-01-01')
-- dp dates beside moments
select id from people where joined > born and born < timestamp '1990-01-01 00:00:00'
-- p to_char of numbers and moments
select to_char(joined, 'YYYYMMDD') as a, to_char(born, 'DD Mon YYYY') as b, to_char(joined, 'HH12:MI AM') as c, to_char(joined, 'WW') as d, to_char(born, 'Dy') as e, to_char(joined, 'YYYY"W"IW') as f from people
-- p to_char of numbers
select to_char(1234.5, 'FM999999.00') as a, to_char(12, '000') as b, to_char(1234567, '9,999,999') as c
-- p to_date of several templates
select to_date('22/05/2026', 'DD/MM/YYYY') as a, to_date('20260522', 'YYYYMMDD') as b, to_date('22 May 2026', 'DD Mon YYYY') as c
-- p justify
select justify_days(interval '35 days') as a, justify_hours(interval '27 hours') as b, justify_interval(interval '1 mon -1 hour') as c
-- p isfinite
select isfinite(born) as a from people
-- d isfinite
select isfinite(born) as a, isinf(born) as b from people
-- dp timestamptz parts
select extract(hour from '2026-05-22 10:00:00+02'::timestamptz) as a, ('2026-05-22 10:00:00+02'::timestamptz)::date as b
-- d timezone function
select timezone('America/New_York', joined) as a from people
-- dp at time zone and trunc
select date_trunc('day', joined at time zone 'UTC' at time zone 'America/New_York') as a from people
-- dp moments with fractions
select '2026-05-22 10:11:12.123456'::timestamp as a, timestamp '2026-05-22 10:11:12.5' - interval '0.25 seconds' as b
-- d datetrunc and dateadd spelled together
select datetrunc('month', joined) as a, datepart('month', joined) as b, datediff('day', joined, joined + interval '3 days') as c from people
-- d nanoseconds and microseconds
select microsecond(joined) as a, millisecond(joined) as b, epoch_us(joined) as c, nanosecond(joined) as d from people
-- dp generate_series of days
select d::date as d from generate_series(timestamp '2026-01-01', timestamp '2026-01-05', interval '1 day') as t(d)
-- dp generate_series of dates
select cast(d as date) as d from generate_series(date '2026-01-01', date '2026-03-01', interval '1 month') as t(d)
-- d range of days
select r::date as d from range(date '2026-01-01', date '2026-01-05', interval '1 day') as t(r)
-- d unnest of a range
select unnest(range(3)) as x, unnest(generate_series(1, 3)) as y
-- d lists of days
select unnest(generate_series(date '2026-01-01', date '2026-01-03', interval 1 day)) as d
-- d ranges as lists
select range(5) as a, range(2, 5) as b, generate_series(1, 5, 2) as c, range(0) as d
-- dp series backwards
select x from generate_series(5, 1, -2) as t(x)
-- dp series in a cross join
select p.id, n from people p cross join generate_series(1, 2) as g(n) where p.id < 3
-- p series named by its alias
select n from generate_series(1, 3) n
-- d series with its own column name
select generate_series from generate_series(1, 3)
-- d range with its own column name
select range from range(3)
