select {{ helpers.greet("'world'") }} as text
