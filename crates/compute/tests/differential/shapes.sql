-- dp natural join of two
select * from keys_a natural join keys_b
-- dp natural left join
select * from keys_a natural left join keys_b
-- dp natural full join
select * from keys_a natural full join keys_c
-- dp natural join of subqueries
select k, a, b from (select k, a from keys_a) x natural join (select k, b from keys_b) y
-- dp natural join of a common table
with x as (select * from keys_a), y as (select k, max(b) as b from keys_b group by k) select x.* from x natural join y
-- dp using of a column of the second table
select o.order_id, p.id, k.b from orders o join people p on p.id = o.person_id join keys_a a on a.k = o.quantity left join keys_b k using (k)
-- dp left joins with using in a row
select k, a, b, c from keys_a left join keys_b using (k) left join keys_c using (k)
-- dp left joins with using and star
select * from keys_a left join keys_b using (k) left join keys_c using (k)
-- dp using beside joins with on
select k, a, b from keys_a left join keys_b using (k) left join people p on p.id = k
-- dp using with several columns
select person_id, status, count(*) as n from orders a left join (select person_id, status from orders) b using (person_id, status) group by 1, 2
-- d star exclude after an outer join with using
select * exclude (a) from keys_a left join keys_b using (k)
-- dp qualified stars after joins with using
select x.*, y.b from keys_a x left join keys_b y using (k)
-- dp join using an alias in where
select x.k from keys_a x join keys_b y using (k) where x.k = 2
-- d semi join with using and star
select * from keys_a semi join keys_b using (k)
-- d anti join with using by name
select k, a from keys_a anti join keys_b using (k)
-- d semi and anti joins with on
select a.k from keys_a a semi join keys_b b on a.k = b.k
-- d anti join with on
select a.k from keys_a a anti join keys_b b on a.k = b.k
-- dp exists and not exists
select id from people p where exists (select 1 from orders o where o.person_id = p.id) and not exists (select 1 from orders o where o.person_id = p.id and o.amount > 50)
-- dp in and not in subqueries
select id from people where id in (select person_id from orders) or id not in (select person_id from orders where person_id > 1)
-- dp pairs in a subquery
select order_id from orders where (person_id, status) in (select person_id, 'paid' from orders)
-- dp pairs in a list
select order_id from orders where (person_id, status) in ((1, 'paid'), (2, 'void'))
-- dp pairs not in a list
select order_id from orders where (person_id, quantity) not in ((1, 2), (2, 5))
-- dp pairs compared
select order_id from orders where (person_id, quantity) = (1, 2)
-- dp pairs ordered
select order_id from orders where (person_id, quantity) > (1, 1)
-- dp any of an array
select id from people where country = any(array['BE', 'NL']) and id <> all(array[6, 7])
-- d any of a list
select id from people where country = any(['BE', 'NL'])
-- dp any of a subquery
select id from people where id = any(select person_id from orders) and id >= all(select 1)
-- d in a list
select id from people where id in [1, 2] or country in ('DE')
-- dp scalar subqueries
select id, (select count(*) from orders o where o.person_id = p.id) as n, (select max(amount) from orders) as m from people p
-- dp correlated subqueries with an inequality
select id, (select count(*) from orders o where o.person_id = p.id and o.ordered_at > p.joined) as n from people p
-- dp correlated subqueries with only an inequality
select p.id, (select count(*) from people q where q.id < p.id) as n from people p
-- dp correlated exists with an inequality
select p.id from people p where exists (select 1 from orders o where o.quantity > p.small)
-- dp running sum by a correlated subquery
select p.id, (select sum(q.small) from people q where q.id <= p.id) as s from people p
-- dp newest by a correlated subquery
select o.order_id from orders o where o.ordered_at = (select max(x.ordered_at) from orders x where x.person_id = o.person_id)
-- dp lateral joins
select p.id, x.n from people p cross join lateral (select count(*) as n from orders o where o.person_id = p.id) x
-- dp lateral with limit
select p.id, x.order_id from people p left join lateral (select o.order_id from orders o where o.person_id = p.id order by o.ordered_at desc limit 1) x on true
-- dp lateral of expressions
select p.id, x.y from people p, lateral (select p.id * 2 as y) x
-- d unnest in from
select id, x from (select 1 as id, [1, 2] as l) t, unnest(t.l) as u(x)
-- p unnest in from
select id, x from (select 1 as id, array[1, 2] as l) t, unnest(t.l) as u(x)
-- dp cross join unnest
select id, x from (select 1 as id, array[1, 2] as l) t cross join unnest(t.l) as u(x)
-- d left join unnest
select id, x from (select 1 as id, [1, 2] as l union all select 2, []) t left join unnest(t.l) as u(x) on true
-- d unnest of structs
select unnest({'a': 1, 'b': 'x'})
-- d unnest of lists of structs
select u.a, u.b from (select unnest([{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}]) as u) t
-- d unnest recursive
select unnest([{'a': 1, 'b': 'x'}], recursive := true)
-- d unnest with its own name
select unnest([1, 2])
-- p unnest with ordinality
select x, n from unnest(array['a', 'b']) with ordinality as t(x, n)
-- d unnest beside a column
select k, unnest([k, k + 1]) as x from keys_a
-- dp recursive sums
with recursive t(n, s) as (select 1, 1 union all select n + 1, s + n + 1 from t where n < 5) select n, s from t
-- dp recursive trees
with recursive up as (select id, id - 1 as parent, 0 as depth from people where id = 3 union all select p.id, p.id - 1, up.depth + 1 from people p join up on p.id = up.parent) select * from up
-- dp recursive with distinct
with recursive t(n) as (select 1 union select (n % 3) + 1 from t) select n from t
-- d union by name
select 1 as a, 'x' as b union by name select 'y' as b, 2 as a
-- d union all by name with missing columns
select 1 as a, 2 as b union all by name select 3 as b, 4 as c
-- d union all by name of tables
select * from keys_a union all by name select * from keys_b
-- dp unions of other types
select 1 as x union all select 2.5 union all select null
-- dp unions of text and null
select null as x union all select 'a'
-- dp unions of dates and moments
select date '2026-05-22' as x union all select timestamp '2026-05-22 10:00:00'
-- dp intersect and except
select k from keys_a intersect select k from keys_b union all (select k from keys_a except select k from keys_b)
-- dp intersect all and except all
(select 1 as x union all select 1) intersect all (select 1 union all select 1 union all select 2)
-- dp except all
(select 1 as x union all select 1 union all select 2) except all select 1
-- dp distinct on
select distinct on (country) country, id from people order by country, id desc
-- dp distinct on of expressions
select distinct on (upper(country)) country, id from people order by upper(country), id
-- d distinct on without order
select distinct on (k) k from keys_a
-- d qualify with a window
select id, country from people qualify row_number() over (partition by country order by id desc) = 1
-- d qualify with an alias
select id, country, row_number() over (partition by country order by id) as rn from people qualify rn = 1
-- d qualify after group by
select country, count(*) as n from people group by country qualify rank() over (order by count(*) desc) = 1
-- d star exclude
select * exclude (born, joined, score) from people
-- d star exclude of one
select * exclude k from keys_a
-- d star replace
select * replace (upper(a) as a) from keys_a
-- d star rename
select * rename (a as letter) from keys_a
-- d star exclude and replace
select * exclude (a) replace (k + 1 as k) from keys_a
-- d qualified star exclude
select a.* exclude (k), b.b from keys_a a join keys_b b on a.k = b.k
-- d qualified star replace
select t.* replace (t.k * 2 as k) from keys_a t
-- d columns by pattern
select columns('^(id|name)$') from people
-- d columns by list
select columns(['id', 'name']) from people
-- d columns by lambda
select columns(c -> c like 'n%') from people
-- d star like
select * like 'n%' from people
-- d min of columns
select min(columns(['id', 'small'])) from people
-- d functions over all columns
select count(columns(*)) from keys_a
-- d columns with exclude
select max(columns(* exclude (a))) from keys_a
-- d from first
from keys_a select k where k > 1
-- d from first alone
from keys_a
-- d from first with limit
from keys_a order by k desc limit 1
-- d from first in a subquery
select count(*) as n from (from keys_a where k > 1)
-- d values without brackets
from (values (1, 'a'), (2, 'b')) t(x, y)
-- dp values with column aliases
select t.x, t.y from (values (1, 'a'), (2, 'b')) as t(x, y) where t.x > 1
-- p values with own names
select column1, column2 from (values (1, 'a')) t
-- d values with own names
select col0, col1 from (values (1, 'a')) t
-- d values as a statement
values (1, 'a'), (2, 'b')
-- d values in a common table
with t(x, y) as (values (1, 'a'), (2, 'b')) select * from t
-- p values in a common table
with t(x, y) as (values (1, 'a'), (2, 'b')) select * from t
-- dp common tables with column names
with t(x) as (select k from keys_a) select x from t order by x
-- dp materialized common tables
with t as materialized (select k from keys_a), u as not materialized (select k from t) select * from u
-- d asof join
select p.id, o.amount from people p asof join orders o on p.id = o.person_id and p.joined >= o.ordered_at
-- d asof left join
select p.id, o.order_id from people p asof left join orders o on p.id = o.person_id and p.joined >= o.ordered_at
-- d asof join with using
select a.x, b.y from (values (1, 5), (1, 9)) a(k, x) asof join (values (1, 4, 'p'), (1, 8, 'q')) b(k, x, y) using (k, x)
-- d positional join
select * from keys_a positional join keys_b
-- d pivot with values
select * from (select status, quantity from orders) pivot (sum(quantity) for status in ('paid', 'open'))
-- d pivot of a table with groups
select * from (select person_id, status, quantity from orders) pivot (sum(quantity) for status in ('paid', 'open')) order by person_id
-- d pivot with an alias
select * from (select person_id, status, quantity from orders) as t pivot (sum(quantity) as s, count(*) as n for status in ('paid' as p, 'open' as o)) order by person_id
-- d pivot statement with values
pivot (select person_id, status, quantity from orders) on status in ('paid', 'open') using sum(quantity)
-- d pivot statement without values
pivot (select person_id, status, quantity from orders) on status using sum(quantity) group by person_id
-- d unpivot
select * from (select id, small, id as other from people where id = 1) unpivot (value for name in (small, other))
-- d unpivot statement
unpivot (select 1 as k, 10 as jan, 20 as feb) on jan, feb into name month value sales
-- d unpivot with columns
unpivot (select 1 as k, 10 as jan, 20 as feb) on columns(* exclude (k)) into name month value sales
-- d unpivot with nulls
select * from (select 1 as k, null as jan, 20 as feb) unpivot include nulls (v for m in (jan, feb))
-- d sample of all rows
select count(*) as n from people using sample 100%
-- d tablesample of all rows
select count(*) as n from people tablesample 100%
-- d sample of rows
select count(*) as n from people using sample 3 rows
-- p tablesample of all rows
select count(*) as n from people tablesample bernoulli (100)
-- d lateral column aliases
select small + 1 as a, a * 2 as b, b + a as c from people
-- d lateral alias beside a column
select small as id, id + 1 as next from people
-- d alias in where
select small + 1 as a from people where a > 3
-- d alias in where beside a column
select small as id from people where id > 3
-- d prefix aliases
select a: k + 1, b: a from keys_a
-- d limit of a share
select count(*) as n from (select * from people limit 50%)
-- d offset only
select id from people order by id offset 4
-- dp limit of an expression
select id from people order by id limit 1 + 1
-- dp limit null and all
select id from people order by id limit null
-- p limit all
select id from people order by id limit all offset 4
-- dp order by position and nulls
select country, id from people order by 1 desc nulls last, 2 desc
-- dp order by an expression of an alias
select id as x from people order by x desc
-- dp order by a column that is not shown
select name from people order by id desc
-- dp ordered subqueries with limits
select * from (select id from people order by id desc limit 2) t order by id
-- dp a table twice
select a.id, b.id as other from people a join people b on a.id = b.id + 1
-- d a table in its schema
select count(*) as n from main.keys_a
-- dp cross joins by comma
select a.k, b.k as bk from keys_a a, keys_b b where a.k = b.k
-- dp an inner select without a name
select count(*) as n from (select k from keys_a) as t
-- d an inner select without any name
select count(*) as n from (select k from keys_a)
-- dp case forms
select case country when 'BE' then 1 when 'NL' then 2 else 0 end as a, case when id > 2 then 'x' end as b from people
-- dp is distinct from
select id from people where country is distinct from 'BE'
-- dp is not distinct from
select id from people where country is not distinct from null
-- dp truth tests
select active is true as a, active is not false as b, active is unknown as c, (small > 2) is not true as d from people
-- dp isnull words
select country isnull as a, country notnull as b from people
-- d comments and hints
select /* a /* nested */ comment */ 1 as a -- and this
-- dp quoted names
select id as "Id of person", name as "select" from people
-- dp names in other cases
select ID, Name, People.COUNTRY from People where PEOPLE.id = 1
-- d string quoted aliases
select id as 'x' from people
-- d trailing commas everywhere
select id, name, from people group by id, name,
-- d row comparisons by struct
select row(1, 2) = row(1, 2) as a
-- p overlaps
select (date '2026-01-01', date '2026-02-01') overlaps (date '2026-01-15', date '2026-03-01') as a
