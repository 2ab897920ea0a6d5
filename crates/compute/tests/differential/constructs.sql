-- dp chained full joins with using
select k, a, b, c from keys_a full join keys_b using (k) full join keys_c using (k)
-- dp star over chained full joins with using
select * from keys_a full join keys_b using (k) full join keys_c using (k)
-- dp grouped by a merged key
select k, count(*) as n from keys_a a full outer join keys_b b using (k) group by k order by k
-- dp merged key in where and order by
select k + 1 as next, a from keys_a right join keys_b using (k) where k > 2 order by k
-- dp left join with using and star
select * from keys_b left join keys_a using (k)
-- dp right join with using and star
select * from keys_b right join keys_a using (k)
-- dp inner join with using and star
select * from keys_a join keys_b using (k)
-- dp sides of a full join by name
select x.k as xk, y.k as yk, k from keys_a x full join keys_b y using (k)
-- dp full join then left join with using
select k, a, b, c from keys_a full join keys_b using (k) left join keys_c using (k)
-- dp merged key in a function without alias
select coalesce(k, 0) as k0, max(a) as m from keys_a full join keys_b using (k) group by 1
-- dp natural join
select k from keys_a natural join keys_b
-- dp full join on an expression
select x.k as xk, y.k as yk from keys_a x full join keys_b y on x.k = y.k
-- dp division of whole numbers
select 7 / 2 as x, -7 / 2 as y, quantity / 2 as z from orders
-- dp division of decimals
select 7.0 / 2 as x, amount / 3 as y, 1 / 3.0 as z from orders
-- dp division of doubles
select score / 2 as x, 1 / cast(3 as double precision) as y from people
-- dp division with nullif
select amount / nullif(quantity, 0) as x from orders
-- dp share of a sum
select status, sum(quantity) * 1.0 / sum(sum(quantity)) over () as share from orders group by status
-- d whole division
select 7 // 2 as x, -7 // 2 as y, quantity // 2 as z from orders
-- dp remainder
select 7 % 3 as x, -7 % 3 as y, quantity % 2 as z, mod(7, 3) as w from orders
-- dp decimals to whole numbers round half away from zero
select 2.5::int as a, 3.5::int as b, -2.5::int as c, 0.4::bigint as d, balance::int as e from people
-- dp doubles to whole numbers round half to even
select cast(cast(2.5 as double precision) as int) as a, score::int as b from people
-- dp numbers to fewer digits
select 1.005::decimal(10,2) as a, -1.235::decimal(10,2) as b, balance::decimal(12,1) as c from people
-- dp sums that widen
select sum(x) as s from (values (9223372036854775807), (9223372036854775807)) as t(x)
-- dp sum of each type
select sum(id) as a, sum(balance) as b, sum(score) as c, sum(small) as d from people
-- dp average of each type
select avg(id) as a, avg(balance) as b, avg(score) as c, avg(small) as d from people
-- dp sum over nothing
select sum(id) as a, count(id) as b, avg(id) as c from people where id < 0
-- dp count has its home's name
select count(*) from people
-- dp functions have their home's name
select sum(small), max(country) from people
-- dp a literal has its home's name
select 1
-- dp a text literal has its home's name
select 'x'
-- d an expression has its home's name
select small + 1, -small, not active, small is null from people
-- p an expression has its home's name
select small + 1 from people
-- dp a cast has its home's name
select small::varchar from people
-- dp a case has its home's name
select case when small > 2 then 'big' else 'small' end from people
-- dp coalesce has its home's name
select coalesce(small, 0) from people
-- d duplicate names in a subquery
select * from (select id as a, small as a from people) t
-- dp at time zone of a moment with zone
select timestamp with time zone '2026-05-22 12:00:00+00' at time zone 'America/New_York' as x
-- dp at time zone twice
select joined at time zone 'UTC' at time zone 'Asia/Tokyo' as x from people
-- dp at time zone of a local moment
select joined at time zone 'Europe/Brussels' as x from people
-- dp timestamp to text
select joined::varchar as x, cast(ordered_at as text) as y from people, orders
-- dp date to text
select born::varchar as x from people
-- dp date within concat
select 'd' || born as x from people
-- dp timestamp within concat
select 'd' || joined as x from people
-- dp moment with zone to text
select (timestamp with time zone '2026-05-22 12:00:00.5+00')::varchar as x
-- dp number to text
select small::varchar as a, balance::varchar as b, score::varchar as c from people
-- dp doubles to text
select x::double precision::varchar as t from (values (1.0), (0.1), (100000), (0.00001), (123456789.125)) v(x)
-- d underscores in numbers
select 1_000 as x, 12_34.5 as y
-- p similar to
select name similar to '%(n|a)%' as x, name not similar to 'A__' as y from people
-- d similar to
select name similar to 'A..' as x, name not similar to '.*n' as y from people
-- d from without select
from people
-- d from first
from people select id where id < 3
-- d sha256
select sha256('x') as x
-- dp md5
select md5('x') as x, md5(name) as y from people
-- dp date minus date
select born - date '1990-01-01' as x, current_date - joined::date as y from people
-- dp date plus days
select born + 10 as x, born - 1 as y, 3 + born as z from people
-- dp date plus interval
select born + interval '1 month' as x, born - interval '36 hours' as y from people
-- dp timestamp plus interval
select joined + interval '1 day' as x, joined - interval '90 minutes' as y from people
-- dp timestamp minus timestamp
select joined - timestamp '2026-05-20 00:00:00' as x from people
-- dp whole number times interval
select joined + 3 * interval '1 day' as x, joined + interval '1 hour' * small as y from people
-- dp interval division
select joined - interval '1 day' / 2 as x from people
-- dp intervals compare by length
select interval '1 day' = interval '24 hours' as x, interval '1 month' > interval '29 days' as y
-- d interval of a computed number
select joined + interval (small) day as x, joined - to_days(3) as y from people
-- dp the clock
select current_date as d, now() as n, current_timestamp as t
-- dp rows since the clock
select id from people where joined >= current_date - interval '28 days'
-- dp extract parts
select extract(year from joined) as a, extract(month from joined) as b, extract(dow from joined) as c, extract(week from joined) as d, extract(doy from joined) as e, extract(quarter from joined) as f from people
-- dp extract smaller parts
select extract(hour from joined) as a, extract(minute from joined) as b, extract(epoch from joined) as c, extract(isodow from joined) as d from people
-- dp extract seconds
select extract(second from joined) as a from people
-- dp extract from an interval
select extract(day from joined - timestamp '2026-01-01') as a, extract(epoch from joined - timestamp '2026-01-01') as b, extract(hour from interval '30 hours') as c from people
-- dp date_part
select date_part('year', born) as a, date_part('day', born) as b from people
-- dp date_trunc of a timestamp
select date_trunc('day', joined) as a, date_trunc('month', joined) as b, date_trunc('week', joined) as c, date_trunc('quarter', joined) as d, date_trunc('hour', joined) as e from people
-- dp date_trunc of a date
select date_trunc('month', born) as a, date_trunc('year', born)::date as b from people
-- dp rounding
select round(2.5) as a, round(-2.5) as b, round(1.235, 2) as c, round(balance, 1) as d, round(small) as e from people
-- dp rounding doubles
select round(score) as a from people
-- d rounding doubles to digits
select round(score / 3, 2) as a, round(1234, -2) as b from people
-- dp ceiling and floor
select ceil(1.2) as a, floor(-1.2) as b, ceil(score) as c, floor(balance) as d, ceiling(0.1) as e from people
-- dp powers
select 2 ^ 3 as a, power(2, 0.5) as b, sqrt(2) as c, abs(-3) as d, abs(balance) as e from people
-- d two stars
select 2 ** 3 as a
-- dp logarithms
select ln(10) as a, log(100) as b, log10(1000) as c, exp(1) as d, sign(-3) as e
-- dp order of nulls ascending
select country from people order by country, id
-- dp order of nulls descending
select small from people order by small desc, id
-- dp order of nulls in a window
select id, row_number() over (order by small desc, id) as n from people
-- dp nulls placed by hand
select small from people order by small desc nulls last, id
-- dp like
select name from people where name like '%n%' and name not like 'B%'
-- dp like with escape
select name from people where name like '%!_b!%%' escape '!'
-- p like with a backslash
select name from people where name like '%\_b\%%'
-- d like with a backslash
select 'a\b' like 'a\b' as x, 'a_b' like 'a\_b' as y
-- dp ilike
select name from people where name ilike 'AN%'
-- dp regular expression operator
select name ~ 'n' as a, name ~ '.*n' as b, name !~ 'a' as c from people
-- p case-insensitive regular expression operator
select name ~* 'AN' as a, name !~* 'AN' as b from people
-- dp is distinct from
select country is distinct from 'BE' as x, small is not distinct from null as y from people
-- dp in lists and between
select id from people where country in ('BE', 'DE') or id between 2 and 3
-- dp not in with nulls
select id from people where small not in (7, null)
-- dp exists and in subqueries
select id from people p where exists (select 1 from orders o where o.person_id = p.id) and id in (select person_id from orders)
-- dp pair in a subquery
select order_id from orders where (person_id, status) in (select person_id, 'paid' from orders)
-- dp scalar subquery
select id, (select count(*) from orders o where o.person_id = p.id) as n from people p
-- dp correlated inequality
select id, (select max(o.amount) from orders o where o.person_id < p.id) as n from people p
-- dp lateral join
select p.id, o.amount from people p cross join lateral (select amount from orders where person_id = p.id) o
-- dp union and except
select country from people union select status from orders except select 'paid'
-- dp union all of different types
select 1 as x union all select 2.5 union all select null
-- dp intersect
select id from people intersect select person_id from orders
-- dp values
select * from (values (1, 'a'), (2, 'b')) as t(x, y)
-- dp recursive
with recursive n(x) as (select 1 union all select x + 1 from n where x < 5) select x from n
-- dp window functions
select id, lag(small) over (order by id) as a, lead(id, 2, 0) over (order by id) as b, first_value(name) over (partition by country order by id) as c, ntile(2) over (order by id) as d from people
-- dp ranks
select id, rank() over (order by country) as a, dense_rank() over (order by country) as b, percent_rank() over (order by id) as c, cume_dist() over (order by id) as d from people
-- dp running sums
select id, sum(small) over (order by id) as a, sum(small) over (order by id rows between 1 preceding and current row) as b, avg(small) over () as c from people
-- dp range between intervals
select order_id, count(*) over (order by ordered_at range between interval '2 days' preceding and current row) as n from orders
-- d qualify
select id, country from people qualify row_number() over (partition by country order by id) = 1
-- p distinct on
select distinct on (country) country, id from people order by country, id desc
-- dp filter on aggregates
select count(*) filter (where active) as a, sum(small) filter (where small > 2) as b from people
-- dp group by rollup
select country, active, count(*) as n from people group by rollup (country, active)
-- dp grouping sets
select country, active, count(*) as n from people group by grouping sets ((country), (active), ())
-- d group by all
select country, count(*) as n from people group by all order by all
-- dp group by position
select date_trunc('month', ordered_at)::date as m, count(*) as n from orders group by 1 order by 1
-- dp having
select country, count(*) as n from people group by country having count(*) > 1
-- dp count distinct
select count(distinct country) as a, count(distinct case when active then country end) as b, count(country) as c from people
-- dp bool aggregates
select bool_or(active) as a, bool_and(active) as b from people
-- dp min and max of everything
select min(name) as a, max(born) as b, min(joined) as c, max(score) as d, min(balance) as e from people
-- dp limit and offset
select id from people order by id limit 2 offset 1
-- dp fetch first
select id from people order by id fetch first 2 rows only
-- dp trailing comma
select id from people where id = 1
-- d trailing comma in select
select id, name, from people
-- d star without columns
select * exclude (born, joined) from people
-- d star with another value
select * replace (id + 1 as id) from people
-- d alias of an earlier column
select small + 1 as a, a + 1 as b from people
-- d semi join with using
select * from keys_a semi join keys_b using (k)
-- d anti join with using
select * from keys_a anti join keys_b using (k)
-- d asof join
select p.id, o.amount from people p asof join orders o on p.id = o.person_id and p.joined >= o.ordered_at
-- d pivot
pivot orders on status using sum(quantity)
-- d sample
select count(*) as n from people using sample 100%
-- dp not a between
select not (small between 1 and 5) as x from people
-- dp nulls in logic
select (null and false) as a, (null or true) as b, (small > 2 and active) as c from people
-- dp text comparison and order
select name from people where name >= 'B' order by name
-- dp cast of text
select '12'::int as a, '1.50'::decimal(5,2) as b, '2026-01-02'::date as c, '2026-01-02 03:04:05'::timestamp as d, 'true'::boolean as e
-- dp cast of booleans
select active::int as a, active::varchar as b from people
-- d try_cast
select try_cast('x' as int) as a, try_cast('2.5' as double) as b
-- p varchar of a length cuts
select name::varchar(2) as a, cast('abcdef' as character varying(3)) as b from people
-- d varchar of a length does not cut
select name::varchar(2) as a, cast('abcdef' as character varying(3)) as b from people
-- p numeric without digits
select '1.2345'::numeric as a, small::numeric / 3 as b, score::numeric as c from people
-- dp typed literals in coalesce
select coalesce(born, '1900-01-01') as a, coalesce(small, 0) as b, coalesce(country, 'none') as c from people
-- dp case with mixed numbers
select case when active then small else 0.5 end as x from people
-- dp greatest and least skip nulls
select greatest(small, 5) as a, least(small, 5, null) as b from people
-- dp nested subqueries and unions
with a as (select id from people), b as (select id from a where id > 2) select * from b union all select id from a where id = 1
-- dp literals of dates
select date '2026-02-28' + 1 as a, timestamp '2026-02-28 23:00:00' + interval '2 hours' as b
-- dp times of day
select joined::time as a, time '10:00:00' as b from people
-- dp products out of range
select x * x as y from (values (cast(3037000500 as bigint))) as t(x)
-- dp whole numbers
select small * small as a, small + quantity as b, id * order_id as c, quantity - small as d from people, orders
-- dp division by zero
select id % (id - id) as x from people
-- p division by zero of decimals
select amount / 0 as x from orders
-- d division by zero
select 1 / 0 as x, -1.0 / 0 as y
-- dp an invalid text does not become a number
select name::int as x from people
-- dp a number out of range
select 99999999999::int as x
-- dp doubles beside decimals in coalesce
select coalesce(score / 100000000000000000, 0.0) as a, coalesce(score, 0) as b from people
-- dp doubles beside decimals in a case
select case when active then score / 100000000000000000 else 0.0 end as a from people
-- dp doubles beside decimals in greatest
select greatest(score / 100000000000000000, 0.0) as a, nullif(score, 0.1) as b from people
-- dp moments with a zone in text
select '2026-05-22 10:00:00+02'::timestamptz as a, timestamptz '2026-05-22 10:00:00' as b
-- dp joins of doubles and decimals
select count(*) as n from people p join people q on p.score = q.balance
-- d names in quotes mean a column in whatever case
select p."COUNTRY" as c, "Small" as s, "P"."ACTIVE" as x from people p order by "SMALL", 1, 3
-- d a bare name means a quoted one in another case
select loud from (select small as "LOUD" from people) order by loud
-- d except over a coalesce that cannot be null
select coalesce(small = 1, false) as a from people except select coalesce(null, false)
-- d one spelling means columns of different case in two branches
select "COUNTRY" from people except select "COUNTRY" from (select 'x' as "Country")
