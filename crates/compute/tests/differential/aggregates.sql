-- d any_value and first
select country, any_value(active) as a, first(name order by id) as b, last(name order by id) as c from people group by country
-- d first without order over one row
select first(name) as a, last(name) as b, arbitrary(name) as c from people where id = 1
-- d arg_max and arg_min
select arg_max(name, score) as a, arg_min(name, score) as b, max_by(name, joined) as c, min_by(name, joined) as d, argmax(id, score) as e from people
-- d arg_max by group
select country, arg_max(name, id) as a, arg_min(id, name) as b from people group by country
-- d arg_max of several
select arg_max(name, id, 2) as a, max(id, 2) as b, min(id, 2) as c from people
-- d mode
select mode(country) as a, mode(active) as b from people
-- p mode
select mode() within group (order by country) as a from people
-- d count_if
select count_if(small > 2) as a, countif(active) as b, sum(active::int) as c, sum(case when active then 1 else 0 end) as d from people
-- d quantiles
select quantile_cont(score, 0.5) as a, quantile_disc(small, 0.5) as b, quantile(id, 0.25) as c, quantile_cont(id, 0.9) as d from people
-- d quantiles of a list
select quantile_cont(score, [0.25, 0.5, 0.75]) as a, quantile_disc(id, [0.1, 0.9]) as b from people
-- dp percentiles within group
select percentile_cont(0.25) within group (order by score) as a, percentile_disc(0.5) within group (order by small) as b from people
-- dp percentiles within group descending
select percentile_cont(0.25) within group (order by score desc) as a from people
-- d percentiles by group
select country, percentile_cont(0.5) within group (order by score) as a, median(small) as b from people group by country
-- d medians of other types
select median(id) as a, median(balance) as b, median(score) as c, median(born) as d, median(joined) as e from people
-- d mad and approximate quantiles
select mad(score) as a from people
-- d approximate counts
select approx_count_distinct(country) as a from people
-- d histogram
select histogram(country) as a, histogram(active) as b from people
-- dp array_agg with filter and order
select array_agg(name order by id desc) as a, array_agg(id order by id) filter (where active) as b from people
-- d array_agg of distinct
select list_sort(array_agg(distinct country)) as a, list(name order by id) as b, list(id order by id) filter (where id > 100) as c from people
-- dp array_agg by group
select country, array_agg(id order by id) as a from people group by country
-- d lists of structs
select list({'i': id, 'n': name} order by id) as a from people
-- dp bool aggregates by group
select country, bool_and(active) as a, bool_or(small > 5) as b from people group by country
-- d logical aggregates
select bool_and(active) as a, bool_or(small > 5) as b from people
-- dp bit aggregates
select bit_and(id) as a, bit_or(id) as b from people
-- dp bit_xor
select bit_xor(id) as a from people
-- dp statistics
select corr(score, small) as a, covar_pop(score, small) as b, covar_samp(score, small) as c, regr_slope(score, small) as d, regr_intercept(score, small) as e, regr_r2(score, small) as f, regr_count(score, small) as g from people
-- d more statistics
select skewness(small) as a, kurtosis(small) as b, entropy(country) as c, sem(score) as d from people
-- dp variances
select var_samp(score) as a, var_pop(small) as b, stddev_pop(small) as c, stddev_samp(score) as d, variance(balance) as e, stddev(balance) as f from people
-- dp variance of one row
select var_samp(score) as a, var_pop(score) as b, stddev(score) as c from people where id = 1
-- d products and geometric means
select product(small) as a, geomean(id) as b, favg(score) as c, fsum(score) as d, mean(score) as e from people
-- dp distinct sums
select sum(distinct small) as a, count(distinct small) as b, avg(distinct small) as c from people
-- dp counts of several columns
select count(distinct (country, active)) as a from people
-- dp filters
select count(*) filter (where country = 'BE') as a, max(name) filter (where id > 2) as b, avg(score) filter (where active) as c from people
-- d filters without where
select count(*) filter (country = 'BE') as a from people
-- dp grouping sets
select country, active, count(*) as n, grouping(country) as g from people group by grouping sets ((country, active), (country), ())
-- dp rollup and cube
select country, active, sum(id) as s from people group by rollup (country, active) order by 1, 2, 3
-- dp cube
select country, active, sum(id) as s from people group by cube (country, active) order by 1, 2, 3
-- d grouping_id
select country, active, grouping_id(country, active) as g, count(*) as n from people group by rollup (country, active)
-- dp grouping of two columns
select country, active, grouping(country, active) as g, count(*) as n from people group by rollup (country, active)
-- d group by all with expressions
select country, active, count(*) as n, sum(id) as s from people group by all order by all
-- d group by all with a case
select case when small > 2 then 'big' else 'small' end as size, count(*) as n from people group by all order by n, size
-- dp group by an alias
select date_trunc('month', joined) as m, count(*) as n from people group by m order by m
-- d group by an alias with expression
select upper(country) as c, count(*) as n from people group by c order by c
-- dp having without group
select count(*) as n from people having count(*) > 3
-- d having with an alias
select country, count(*) as n from people group by country having n > 1
-- dp order by aggregates
select country from people group by country order by count(*) desc, country
-- d order by all
select country, id from people order by all
-- d order by all descending
select country, id from people order by all desc
-- d order by all over a star
select * from keys_a order by all
-- dp min and max of texts and truths
select min(name) as a, max(country) as b from people
-- d min and max of truths
select min(active) as a, max(active) as b from people
-- dp sums over empty groups
select country, sum(small) filter (where id > 100) as s from people group by country
-- d sum of truths
select sum(active) as a from people
-- d sum_no_overflow and kahan
select kahan_sum(score) as a, sumkahan(score) as b from people
-- d list aggregates
select list_sum([1, 2, 3]) as a, list_avg([1, 2, 3]) as b, list_min([3, 1]) as c, list_max([3, 1]) as d, list_aggregate([1, 2], 'sum') as e, list_count([1, null]) as f
-- d map of counts
select histogram(country)['BE'] as a from people
-- d aggregates in a window with filter
select id, count(*) filter (where active) over (order by id) as a from people
-- dp nested aggregates in windows
select country, sum(count(*)) over () as a, rank() over (order by count(*) desc) as b from people group by country
-- dp string_agg with null separators
select string_agg(name, null order by id) as a from people
-- d bitstrings
select bit_count(7) as a, bit_and(small) as b from people
-- d count of rows of nothing
select count() as a, count(*) as b, count(1) as c from people where false
-- d summaries of percent
select round(100.0 * count_if(active) / count(*), 2) as a from people
-- d reservoir is refused
select approx_quantile(id, 0.5) > 0 as a from people
