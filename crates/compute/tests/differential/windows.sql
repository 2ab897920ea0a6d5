-- dp frames of rows
select id, sum(small) over (order by id rows between unbounded preceding and 1 following) as a, avg(small) over (order by id rows 2 preceding) as b, count(*) over (order by id rows between current row and unbounded following) as c from people
-- dp frames of ranges of numbers
select id, sum(small) over (order by id range between 1 preceding and 1 following) as a from people
-- dp frames of ranges of intervals
select order_id, sum(quantity) over (order by ordered_at range between interval '1 day' preceding and current row) as a, count(*) over (partition by person_id order by ordered_at range between interval '30 days' preceding and interval '1 day' preceding) as b from orders
-- dp frames of ranges over dates
select id, count(*) over (order by born range between interval '10 years' preceding and current row) as n from people
-- d frames of ranges with interval words
select order_id, count(*) over (order by ordered_at range between interval 7 day preceding and current row) as n from orders
-- dp frames of groups
select id, count(*) over (order by country groups between 1 preceding and current row) as n from people
-- dp frames with exclude
select id, sum(id) over (order by id rows between unbounded preceding and unbounded following exclude current row) as s from people
-- dp first and last values
select id, first_value(name) over (order by id) as a, last_value(name) over (order by id rows between unbounded preceding and unbounded following) as b, nth_value(name, 2) over (order by id) as c from people
-- d ignore nulls inside
select id, first_value(country ignore nulls) over (order by id desc) as a, last_value(country ignore nulls) over (order by id) as b, lag(country ignore nulls) over (order by id) as c from people
-- dp lag and lead with defaults
select id, lag(small, 1, 0) over (order by id) as a, lead(small, 2) over (order by id) as b, lag(name, 1, 'none') over (order by id) as c, lead(score, 1, 0) over (order by id) as d from people
-- dp lag of moments
select id, joined - lag(joined) over (order by joined) as gap from people
-- dp named windows
select id, row_number() over w as a, sum(small) over w as b from people window w as (partition by country order by id)
-- dp named windows that build on others
select id, sum(small) over (w rows between 1 preceding and current row) as a from people window w as (order by id)
-- dp ntile and shares
select id, ntile(3) over (order by id) as a, percent_rank() over (order by small) as b, cume_dist() over (order by small) as c from people where small is not null
-- dp ranks with ties
select id, rank() over (order by country) as a, dense_rank() over (order by country) as b, row_number() over (order by country, id) as c from people
-- dp nulls in window orders
select id, row_number() over (order by country desc nulls last, id) as a, row_number() over (order by country nulls first, id) as b from people
-- dp windows over groups
select country, sum(sum(small)) over (order by country) as a, count(*) as n from people group by country
-- dp windows with filter
select id, sum(small) filter (where active) over (order by id) as a from people
-- dp windows in expressions
select id, small - avg(small) over (partition by country) as a, 100.0 * small / sum(small) over () as b from people
-- dp windows without anything
select id, count(*) over () as n, max(id) over () as m from people
-- dp windows partitioned by expressions
select id, row_number() over (partition by date_trunc('year', joined) order by joined) as a from people
-- dp string_agg in a window
select id, string_agg(name, ',') over (order by id) as a from people
-- dp array_agg in a window
select id, array_agg(id) over (order by id rows between 1 preceding and current row) as a from people
-- dp count distinct in a subquery window
select country, count(*) over (partition by country) as n from (select distinct country, active from people) t
-- dp windows in order by
select id from people order by row_number() over (order by id desc)
-- dp bool aggregates in windows
select id, bool_or(active) over (order by id) as a, min(country) over (order by id) as b from people
-- d count distinct in a window
select id, count(distinct country) over (order by id) as n from people
-- d arg_max in a window
select id, arg_max(name, small) over (partition by country) as a from people
-- d any_value and median in windows
select id, any_value(name) over (partition by active order by id rows between unbounded preceding and unbounded following) as a, median(small) over (partition by active) as b from people
-- d first in a window
select id, first(name) over (order by id) as a, last(name) over (order by id) as b from people
-- d quantiles in windows
select id, quantile_cont(score, 0.5) over (partition by active) as a from people
-- dp stddev in windows
select id, stddev(small) over (order by id) as a, variance(small) over () as b from people
-- dp nth_value from the frame
select id, nth_value(id, 3) over (order by id rows between unbounded preceding and unbounded following) as a from people
-- d lead and lag with orders inside
select id, fill(score) over (order by id) as a from people where id <> 5
-- d ranks by a computed distance
select id, rank() over (partition by active order by abs(date_diff('day', born, date '1990-01-01'))) as r from people
