-- What the specs use of Lua 5.4's libraries, for the runs with older hosts (./check lane lua-hosts): busted's --helper.
-- luacheck: push ignore 122
if not table.pack then
    function table.pack(...)
        return { n = select("#", ...), ... }
    end
end
table.unpack = table.unpack or rawget(_G, "unpack")

if not math.tointeger then
    function math.tointeger(value)
        local number = tonumber(value)
        return number and number % 1 == 0 and number or nil
    end

    -- Floats that are whole are the integers of these hosts.
    function math.type(value)
        return type(value) == "number" and (value % 1 == 0 and "integer" or "float") or nil
    end
end
-- luacheck: pop
