-- Settings of luacheck for every Lua file of the project.
std = "lua54"
max_line_length = 120
cache = false
exclude_files = { "build" }
files["tests/lua"] = { std = "lua54+busted" }
-- The annotation files of the language server define functions without bodies.
files["bindings/lua/library"] = { ignore = { "211", "212", "241", "311", "631" } }
