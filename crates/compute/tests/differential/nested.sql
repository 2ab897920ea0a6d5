-- d list literals and access
select [1, 2, 3] as a, [1, 2, 3][2] as b, [1, 2, 3][-1] as c, [1, 2, 3][1:2] as d, [1, 2, 3][2:] as e, [1, 2, 3][5] as f, [] as g
-- p array literals and access
select array[1, 2, 3] as a, (array[1, 2, 3])[2] as b, (array[1, 2, 3])[1:2] as c, (array[1])[5] as d
-- d list functions
select list_value(1, 2, 3, 4) as a, len([1, 2]) as b, list_append([1], 2) as c, list_prepend(0, [1]) as d, list_concat([1], [2]) as e, [1] || [2] as f
-- d more list functions
select list_contains([1, 2], 2) as a, list_position(['a', 'b'], 'b') as b, list_indexof([1, 2], 5) as c, list_has_any([1, 2], [2, 3]) as d, list_has_all([1, 2], [2]) as e, list_unique([1, 1, 2]) as f
-- d sorted lists
select list_sort([3, 1, 2]) as a, list_sort([3, 1, 2], 'desc') as b, list_reverse_sort([1, 3, 2]) as c, list_sort([1, null, 0]) as d, array_sort([3, 1]) as e
-- d distinct and reversed lists
select list_sort(list_distinct([1, 1, 2, null])) as a, list_reverse([1, 2, 3]) as b, flatten([[1], [2, 3]]) as c
-- d list slices
select list_slice([1, 2, 3, 4], 2, 3) as a, array_slice([1, 2, 3], -2, -1) as b, list_extract([1, 2], 2) as c, list_element([1, 2], 3) as d
-- d list aggregates by name
select list_sum([1, 2]) as a, list_avg([1, 2]) as b, list_max([1, 2]) as c, list_min([1.5, 2]) as d, list_aggregate([1, 2, 3], 'max') as e, array_to_string(['a', null, 'b'], '-') as f, list_any_value([null, 1]) as g
-- d lambdas
select list_transform([1, 2, 3], x -> x + 1) as a, list_filter([1, 2, 3], x -> x > 1) as b
-- d lambdas with the keyword
select list_transform([1, 2, 3], lambda x: x * 2) as a, list_filter(['a', 'b'], lambda s: s <> 'a') as b, apply([1], lambda x: x + 1) as c
-- d lambdas over columns
select id, list_transform([id, small], lambda x: x * 10) as a from people
-- d lambdas that see columns
select id, list_filter([1, 2, 3, 4], lambda x: x > id) as a from people
-- d list comprehensions
select [x + 1 for x in [1, 2, 3]] as a, [x for x in [1, 2, 3] if x > 1] as b, [upper(s) for s in ['a', 'b']] as c
-- d list_reduce
select list_reduce([1, 2, 3], lambda x, y: x + y) as a
-- d lists compared
select [1, 2] = [1, 2] as a, [1, 2] < [1, 3] as b, 1 in [1, 2] as c
-- d list zips and others
select list_zip([1, 2], ['a', 'b']) as a, list_resize([1, 2, 3], 2) as b, list_cosine_similarity([1.0, 0.0], [1.0, 0.0]) as c
-- p array functions
select array_length(array[1, 2], 1) as a, cardinality(array[1, 2]) as b, array_append(array[1], 2) as c, array_prepend(0, array[1]) as d, array_cat(array[1], array[2]) as e, array_position(array['a', 'b'], 'b') as f, array_remove(array[1, 2, 1], 1) as g, array[1] || array[2] as h, array[1] || 2 as i
-- p array operators
select array[1, 2] @> array[1] as a, array[1] <@ array[1, 2] as b, array[1, 2] && array[2, 3] as c, array_upper(array[1, 2], 1) as d, array_lower(array[1], 1) as e
-- p arrays to text
select array_to_string(array['a', null, 'b'], '-') as a, array_to_string(array['a', null, 'b'], '-', '*') as b, array_to_string(array[1, 2], ',') as c
-- d list operators
select [1, 2] @> [1] as a, [1] <@ [1, 2] as b, [1, 2] && [2, 3] as c
-- d structs by literal
select {'a': 1, 'b': 'x'} as s
-- d struct fields
select s.a, s['b'] as b, (s).a as c from (select {'a': 1, 'b': 'x'} as s) t
-- d struct star
select s.* from (select {'a': 1, 'b': 'x'} as s) t
-- d struct_pack and struct_extract
select struct_pack(a := 1, b := 'x') as s, struct_extract({'a': 1}, 'a') as a, struct_extract(struct_pack(a := 2), 'a') as b
-- d rows
select row(1, 'x') as s
-- d struct_insert
select struct_insert({'a': 1}, b := 2) as s
-- d nested structs
select {'a': {'b': [1, 2]}} as s, ({'a': {'b': [1, 2]}}).a.b[1] as x
-- d struct keys
select struct_extract({'a': 1, 'b': 2}, 'b') as a
-- d maps
select map {'a': 1, 'b': 2} as m, map(['a'], [1])['a'] as x, map {'a': 1}['z'] as y
-- d maps by keys of other types
select map {1: 'a', 2: 'b'}[2] as x, map {1: 'a'}[3] as y, (map {'k': [1, 2]})['k'][2] as z
-- d maps by keys of columns
select id, map {1: 'a', 2: 'b'}[id] as x, (map {'BE': 1, 'NL': 2})[country] as y from people
-- d map functions
select map_keys(map {'a': 1, 'b': 2}) as a, map_values(map {'a': 1}) as b, cardinality(map {'a': 1}) as c, element_at(map {'a': 1}, 'a') as d, map_contains(map {'a': 1}, 'a') as e, map_extract(map {'a': 1}, 'a') as f
-- d map from entries
select map_from_entries([{'k': 'a', 'v': 1}]) as a, map_entries(map {'a': 1}) as b
-- d unnest of lists in select
select id, unnest([id, id + 1]) as x from people where id < 3
-- d unnest of two lists
select unnest([1, 2]) as a, unnest(['x', 'y', 'z']) as b
-- dp array_agg and unnest
select unnest(x) as v from (select array_agg(id order by id) as x from people) t
-- d json arrows
select body -> '$.b' as a, body ->> '$.b.c' as b, body -> 'l' ->> 0 as c, body ->> 'a' as d from docs
-- d json_extract and paths
select json_extract(body, '$.b.c') as a, json_extract_string(body, '$.a') as b, json_extract(body, '$.l[0]') as c, json_extract_path_text(body, '$.b.c') as d, body ->> '/b/c' as e from docs
-- d json paths from the end and all
select json_extract(body, '$.l[#-1]') as a, json_extract(body, '$.l[*]') as b, json_extract(body, ['$.a', '$.n']) as c from docs
-- d json lengths and types
select json_array_length(body, '$.l') as a, json_array_length('[1, 2]') as b, json_type(body) as c, json_type(body, '$.l') as d, json_valid(body) as e from docs
-- d json keys and exists
select json_keys(body) as a, json_exists(body, '$.a') as b, json_contains(body, '{"a": 1}') as c from docs
-- d json builders
select json_object('a', 1, 'b', 'x') as a, json_array(1, 'x', null) as b, to_json('x') as c, to_json(1) as d
-- d json of structs and lists
select to_json({'a': 1, 'b': [1, 2]}) as a, to_json([1, 2]) as b, to_json(null) as c, {'a': 1}::json as d
-- d json groups
select json_group_array(id) as a, json_group_object(name, id) as b from people where id = 2
-- d json_each
select key, value from json_each('{"a": 1, "b": 2}')
-- d json into lists
select from_json('[1, 2]', '["integer"]') as a, json_transform('{"a": 1}', '{"a": "integer"}') as b
-- d json to lists of text
select cast(json_extract('{"l": ["a", "b"]}', '$.l') as varchar[]) as a, json_extract_string('{"l": ["a", "b"]}', '$.l[*]') as b
-- d json numbers to types
select (body -> 'a')::int as a from docs where id = 1
-- d json in filters
select id from docs where body ->> 'a' = 'two' or (body -> '$.b.c') is not null
-- d json merge and structure
select json_merge_patch('{"a": 1}', '{"b": 2}') as a, json_structure('{"a": 1}') as b, json_pretty('{"a":1}') as c, json_quote('x') as d
-- p json arrows
select (body::json -> 'b')::text as a, body::json ->> 'a' as b, body::json #>> '{b,c}' as c, (body::json #> '{l,0}')::text as d, body::jsonb ? 'a' as e from docs
-- p json functions
select json_extract_path_text(body::json, 'b', 'c') as a, json_array_length(body::json -> 'l') as b, json_typeof(body::json -> 'a') as c, jsonb_typeof(body::jsonb -> 'l') as d from docs
-- p json builders
select json_build_object('a', 1, 'b', 'x')::text as a, json_build_array(1, 'x', null)::text as b, to_json('x'::text)::text as c, row_to_json(row(1, 'x'))::text as d
-- p json aggregates
select json_agg(id order by id)::text as a, jsonb_object_agg(name, id)::text as b from people where id < 3
-- p json elements
select x from jsonb_array_elements_text('["a", "b"]'::jsonb) as t(x)
-- p json elements in select
select json_array_elements_text('["a", "b"]'::json) as x
-- p json each
select key, value from json_each_text('{"a": 1, "b": "x"}'::json)
-- p jsonb contains
select '{"a": 1, "b": 2}'::jsonb @> '{"a": 1}'::jsonb as a, '[1, 2]'::jsonb @> '[1]'::jsonb as b
-- p jsonb keys
select jsonb_object_keys('{"b": 1, "a": 2}'::jsonb) as k
