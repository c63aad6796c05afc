-- A bucket in which each tenant sees only keys of its own, and values are packed: codecs that the program brings,
-- through which every call goes. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example kv_codec" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

-- snippet: codec
-- Keys of one tenant: `host` is stored as `red.host`.
local function tenant(name)
    local prefix = name .. "."
    local function encode(key)
        return prefix .. key
    end
    return {
        encode = encode,
        encode_filter = encode, -- patterns, too: `*` and `>` in them are left alone
        decode = function(stored)
            if stored:sub(1, #prefix) ~= prefix then
                error(stored .. " is another tenant's key", 0)
            end
            return stored:sub(#prefix + 1)
        end,
    }
end

-- Runs of one byte become its number and the byte.
local packed = {
    encode = function(value)
        local out, at = { "r" }, 1
        while at <= #value do
            local byte, last = value:sub(at, at), at
            while last - at < 254 and value:sub(last + 1, last + 1) == byte do
                last = last + 1
            end
            out[#out + 1] = string.char(last - at + 1) .. byte
            at = last + 1
        end
        return table.concat(out)
    end,
    decode = function(stored)
        if stored:sub(1, 1) ~= "r" or #stored % 2 ~= 1 then
            error("this codec has not written it", 0)
        end
        return (stored:sub(2):gsub("(.)(.)", function(count, byte)
            return byte:rep(count:byte())
        end))
    end,
}

-- snippet end
assert(js:create_kv { bucket = "TENANTS_LUA", storage = "memory" })
local stored <close> = assert(js:kv "TENANTS_LUA") -- as it is
-- snippet: codec
local red <close> = assert(js:kv("TENANTS_LUA", { key_codec = tenant "red", value_codec = packed }))
local blue <close> = assert(js:kv("TENANTS_LUA", { key_codec = tenant "blue", value_codec = packed }))
-- snippet end

assert(red:put("host", "10.0.0.7"))
assert(blue:put("host", "10.0.0.8"))
assert(red:put("line", ("-"):rep(1000)))

print(("red: host %s, a line of %d bytes"):format(assert(red:get("host")).value, #assert(red:get("line")).value))
local seen = assert(red:keys("*"))
table.sort(seen)
print(("red sees %s, blue %s"):format(table.concat(seen, ", "), table.concat(assert(blue:keys("*")), ", ")))
print(("stored: red.line with %d bytes"):format(#assert(stored:get("red.line")).value))
assert(#seen == 2 and #assert(stored:keys()) == 3 and #assert(stored:get("red.line")).value < 20)

assert(stored:put("red.odd", "?")) -- by a client that does not know of the codec
local odd = assert(red:get("odd"))
local good, message = pcall(function()
    return odd.value
end)
print("refused: " .. tostring(message))
assert(not good)
assert(js:delete_kv "TENANTS_LUA")
