-- d typeof
select typeof(1) as a, typeof('x') as b, typeof(1.5) as c, typeof(true) as d, typeof(date '2026-01-01') as e, typeof(null) as f
-- d typeof of columns
select typeof(id) as a, typeof(name) as b, typeof(born) as c, typeof(joined) as d, typeof(score) as e, typeof(balance) as f, typeof(active) as g, typeof(small) as h from people limit 1
-- d typeof of lists
select typeof([1::bigint]) as a, typeof(interval '1 day') as b
-- p pg_typeof
select pg_typeof(id)::text as a, pg_typeof(name)::text as b, pg_typeof(born)::text as c, pg_typeof(joined)::text as d, pg_typeof(score)::text as e, pg_typeof(balance)::text as f from people limit 1
-- d try_cast of many
select try_cast('x' as int) as a, try_cast('2026-13-01' as date) as b, try_cast('1.5' as double) as c, try_cast('abc' as timestamp) as d, try_cast('true' as boolean) as e, try_cast('300' as tinyint) as f
-- dp chains of casts
select '1'::int::varchar as a, '1.5'::double precision::int as b, 1::varchar::int + 1 as c
-- dp casts of texts to numbers
select '12'::bigint as a, '1.5'::double precision as b, '1.555'::decimal(10,2) as c, '-3'::smallint as d
-- d casts of texts with points to whole numbers
select '2.5'::int as a, '1e3'::double as b
-- dp casts of numbers
select 1.5::double precision as a, 3.7::decimal(10,1) as b, 5::decimal(10,2) as c, 2.5::int as d, -2.5::int as e
-- dp casts to boolean
select 'true'::boolean as a, 'f'::boolean as b, 'no'::boolean as c, 1::boolean as d, 'yes'::boolean as e
-- d casts of numbers to boolean
select 0::boolean as a, 2::boolean as b, true::int + 1 as c
-- dp float and decimal literals
select 0.1 + 0.2 = 0.3 as a, 1.10 = 1.1 as b, 1 = 1.0 as c, cast(0.1 as double precision) = 0.1 as d
-- dp float columns beside literals
select id from people where score = 1.5 or score > 2.4 or score in (0.1)
-- dp comparing numbers and texts
select id from people where id = '2' or small > '5'
-- d whole division and powers
select 7 // 2 as a, 2 ** 3 as b, 2 ^ 3 as c, 7 % 3 as d, -7 // 2 as e, 7.5 // 2 as f
-- p powers and roots
select 2 ^ 3 as a, |/ 16 as b, @ -5 as c, 7 % 3 as d, ||/ 27 as e
-- dp modulo of decimals
select mod(7.5, 2) as a, 7.5 % 2 as b, mod(-7, 3) as c
-- d fmod
select fmod(7.5, 2) as a
-- dp signs and absolutes
select sign(-2.5) as a, abs(-3) as b, abs(balance) as c, sign(score) as d from people
-- d xor and bits
select xor(5, 3) as a, 5 & 3 as b, 5 | 3 as c, ~5 as d, 1 << 3 as e, 16 >> 2 as f, bit_count(7) as g
-- p bits
select 5 & 3 as a, 5 | 3 as b, ~5 as c, 5 # 3 as d, 1 << 3 as e, 16 >> 2 as f
-- dp round forms
select round(2.5) as a, round(-2.5) as b, round(1.2345, 2) as c, round(balance, 1) as d, round(balance) as e from people
-- d round to tens
select round(1234, -2) as a, round(1234.5, -2) as b, round_even(2.5, 0) as c
-- d round of doubles to digits
select round(score * 1.23456, 3) as a, round(score) as b from people
-- p round of numerics
select round(1234.567, -2) as a, round(score) as b from people
-- dp trunc and ceil and floor
select trunc(2.7) as a, ceil(2.1) as b, floor(-2.1) as c, ceiling(2.5) as d, trunc(-2.7) as e
-- dp logs and roots
select ln(10) as a, log(100) as b, log10(1000) as c, exp(1) as d, sqrt(16) as e, cbrt(27) as f, power(2, 10) as g
-- d logs
select log2(8) as a, log(2, 8) as b, gamma(5) as c, lgamma(5) as d
-- p log with a base
select log(2, 8) as a
-- dp trigonometry more
select asin(0.5) as a, acos(0.5) as b, atan(1) as c, tan(1) as d, cot(1) as e, sinh(1) as f, cosh(1) as g, tanh(1) as h
-- dp factorials
select factorial(5) as a, gcd(12, 18) as b, lcm(4, 6) as c
-- d numbers tests
select isnan('nan'::double) as a, isinf('inf'::double) as b, isfinite(1.0::double) as c, nextafter(1.0::double, 2.0::double) > 1 as d
-- d least and greatest with null
select least(1, null) as a, greatest(null, 2, 3) as b, greatest('a', 'b') as c
-- d choice functions
select ifnull(null, 1) as a, nullif(1, 1) as b, coalesce(null, 2) as c, if(true, 1, 2) as d
-- p width_bucket
select width_bucket(5, 0, 10, 5) as a
-- d equi width
select equi_width_bins(0, 10, 5, false) as a
-- d random is refused and setseed
select random() between 0 and 1 as a
-- d uuid
select length(uuid()::varchar) as a, length(gen_random_uuid()::varchar) as b
-- p uuid
select length(gen_random_uuid()::varchar) as a
-- d hash is its own
select hash('a') = hash('a') as a, hash(1, 'x') is null as b
-- d current settings
select current_schema() as a, current_database() is not null as b
-- p version is no concern
select current_schema() as a
-- d hugeint
select 170141183460469231731687303715884105727 as a, (1::hugeint << 3) as b
-- d unsigned
select 255::utinyint as a, 65535::usmallint as b, 5::uinteger as c, 5::ubigint as d
-- d exponents
select 1e3 as a, 1.5e-2 as b, 1_000_000 as c
-- p exponents
select 1e3 as a, 1.5e-2 as b
-- dp negative zero and big numbers
select 9223372036854775807 as a, -9223372036854775807 as b, 0.000001 as c
-- dp decimal arithmetic
select 1.1 * 1.1 as a, 1.10 + 2.205 as b, 5.0 - 0.55 as c, balance * 2 as d from people
-- dp decimal division by whole
select balance / 2 as a, 1.0 / 3 as b, amount / quantity as c from people, orders where quantity > 0
-- dp sums of decimals and doubles
select sum(balance) / count(*) as a, sum(score) / 2 as b, avg(balance) as c from people
-- dp boolean logic
select true and null as a, false or null as b, not null as c, true <> false as d
-- dp boolean to text
select active::varchar as a, case when active then 'y' else 'n' end as b from people
-- dp text to json and back
select '1'::json::varchar as a
-- d blobs
select 'abc'::blob as a, octet_length('abc'::blob) as b, '\xAA'::blob as c
-- p bytea
select 'abc'::bytea as a, length('abc'::bytea) as b
-- d enums and others are refused
select 'a'::enum('a', 'b') as a
-- dp real
select 1.5::real as a, cast('2.25' as real) as b
-- d float4
select 1.5::float as a, cast(2.5 as float4) as b, 0.1::float = 0.1::float as c
-- d bit types
select '101'::bit as a
-- d time with zone
select '10:00:00+02'::timetz as a
-- d nested casts
select [1, 2]::varchar[] as a, ['1', '2']::int[] as b
-- d casts to struct
select {'a': 1}::struct(a varchar) as a
-- dp casts of null
select null::int as a, cast(null as varchar) as b, null::date as c
-- dp character types
select 'abc'::text as a, 'abc'::varchar(10) as b, cast('abc' as character varying) as c
-- p bpchar
select 'ab'::char(2) as a
-- d can cast
select can_cast_implicitly(1, 2.5) as a
-- d alias of types
select '1'::int4 as a, '1'::int8 as b, '1'::int2 as c, '1'::long as d, 'x'::string as e, '1'::numeric as f, '1'::decimal as g, true::bool as h
-- d truths beside whole numbers
select active > 0 as a, active = 1 as b, 2 = active as c, small > active as d from people
