-- Codecs of keys and values that a program brings: every way in and out of a bucket goes through them; blocking and
-- over luv, against a real server.
local helper = require "helper"
local nats = require "natskit"

-- Each token turned round, behind a prefix.
local upside = {}

function upside.encode(key)
    if key == "bad" then
        return nil, "no such key"
    elseif key == "worse" then
        error("worse", 0)
    end
    return "x." .. key:gsub("[^.]+", string.reverse)
end

function upside.decode(stored)
    if stored:sub(1, 2) ~= "x." then
        error("none of ours", 0)
    end
    return (stored:sub(3):gsub("[^.]+", string.reverse))
end

-- Wildcards turned round are the same.
local filtered = { encode = upside.encode, decode = upside.decode, encode_filter = upside.encode }

local boxed = {
    encode = function(value) return "[" .. value .. "]" end,
    decode = function(stored) return stored:match "^%[(.*)%]$" or nil, "not boxed" end,
}

local function make(js, bucket, options)
    local plain = assert(js:create_kv { bucket = bucket, storage = "memory", history = 5, allow_atomic = true })
    return plain, assert(js:kv(bucket, options))
end

local function texts(entries)
    local list = {}
    for i, entry in ipairs(entries) do
        list[i] = entry.key .. "=" .. entry.value
    end
    return table.concat(list, " ")
end

local cases = {}

cases["one key"] = function(_, js)
    local plain, kv = make(js, "ONE", { key_codec = upside, value_codec = boxed })
    assert.are.equal(1, kv:put("ab.cd", "text"))
    assert.are.equal("[text]", assert(plain:get "x.ba.dc").value)
    local entry = assert(kv:get "ab.cd")
    assert.are.same({ "ab.cd", "text", "text", 1 }, { entry.key, entry.value, entry.value, entry.revision })
    assert.are.equal(2, kv:update("ab.cd", "[1,2]", 1))
    assert.are.same({ 1, 2 }, assert(kv:get "ab.cd"):json())
    assert.are.equal("text", assert(kv:get("ab.cd", { revision = 1 })).value)
    assert(kv:delete "ab.cd")
    helper.fails("key_deleted", kv:get "ab.cd")
    assert(kv:create "ab.cd")
    assert.are.equal("", assert(kv:get "ab.cd").value)
    assert(kv:modify("ab.cd", function(value) return value .. "!" end))
    assert.are.equal("ab.cd= ab.cd=!", texts(assert(kv:history "ab.cd")):match "ab.cd= ab.cd=!$")
    assert(kv:purge "ab.cd")
    local gone = assert(kv:history "ab.cd")
    assert.are.same({ 1, "purge", "" }, { #gone, gone[1].operation, gone[1].value })
end

cases["many keys"] = function(_, js)
    local plain, kv = make(js, "MANY", { key_codec = filtered, value_codec = boxed })
    for _, key in ipairs { "ab.cd", "ab.ef", "gh" } do
        assert(kv:put(key, key))
    end
    assert.are.same({ "ab.cd", "ab.ef", "gh" }, assert(kv:keys()))
    assert.are.same({ "ab.cd", "ab.ef" }, assert(kv:keys "ab.*"))
    assert.are.same({ "ab.ef", "gh" }, assert(kv:keys { "gh", "*.ef" }))
    local found = assert(kv:get_many { "gh", "ab.>", "none" })
    assert.are.same({ "ab.cd", "ab.ef", "gh" }, { found["ab.cd"].value, found["ab.ef"].value, found.gh.value })
    local options = { keys = "gh" }
    assert.are.equal("gh", assert(kv:get_many({ "ab.cd" }, options)).gh.value)
    assert.are.equal("gh", options.keys)
    local batch <close> = assert(kv:batch())
    assert(batch:put("gh", "new"))
    assert(batch:create "empty")
    assert(batch:delete "ab.cd")
    assert(batch:commit())
    assert.are.equal("new", assert(kv:get "gh").value)
    assert.are.equal("[]", assert(plain:get "x.ytpme").value)
    assert.are.equal(1, kv:delete_all "ab.*")
    do
        local watch <close> = assert(kv:cache ">")
        assert.are.equal("initial_done", assert(watch:next(5)).type)
        assert.are.equal("new", assert(kv:cached "gh").value)
        helper.fails("key_not_found", kv:cached "ab.cd")
        assert.are.equal(2, #assert(kv:cached_all()))
        assert.are.equal("string", type(assert(kv:cached_all())[1].key))
    end
    assert.are.equal(2, kv:purge_deletes { keys = "ab.*", older_than = 0 })
    assert.are.same({}, assert(kv:history "ab.*"))
end

cases["watches"] = function(_, js)
    local plain, kv = make(js, "WATCH", { key_codec = filtered, value_codec = boxed })
    assert(kv:put("ab.cd", "1"))
    assert(kv:put("other", "2"))
    assert(plain:put("x.ba.zz", "not boxed"))
    local watch <close> = kv:watch("ab.*", { marker = true })
    local entry = assert(watch:next(5))
    assert.are.same({ "ab.cd", "1" }, { entry.key, entry.value })
    -- What no codec of ours has made raises where it is read, and ends nothing.
    local strange = assert(watch:next(5))
    assert.are.equal("ab.zz", strange.key)
    assert.has_error(function() return strange.value end, 'key "x.ba.zz": decode of value_codec: not boxed')
    assert.are.equal("initial_done", assert(watch:next(5)).type)
    assert(kv:delete "ab.cd")
    entry = assert(watch:next(5))
    assert.are.same({ "ab.cd", "", "delete" }, { entry.key, entry.value, entry.operation })
    assert(plain:put("foreign", ""))
    local seen = {}
    for one in kv:watch { meta_only = true, ignore_deletes = true } do
        seen[#seen + 1] = one
        if #seen == 3 then
            break
        end
    end
    assert.are.same({ "", 3 }, { seen[1].value, seen[1].length }) -- left out, and not asked about
    assert.has_error(function() return seen[3].key end, 'key "foreign": decode of key_codec: none of ours')
    assert.is_truthy(tostring(seen[3]):find("foreign", 1, true))
    local other <close> = kv:watch { keys = { "other" } }
    assert.are.equal("2", assert(other:next(5)).value)
end

cases["what is refused"] = function(_, js)
    local _, kv = make(js, "REFUSED", { key_codec = upside })
    local function raises(text, f, ...)
        local ok, message = pcall(f, ...)
        assert.is_false(ok)
        assert.is_truthy(tostring(message):find(text, 1, true), message)
    end
    raises('key "bad": encode of key_codec: no such key', kv.put, kv, "bad", "")
    raises('key "worse": encode of key_codec: worse', kv.get, kv, "worse")
    raises('pattern "a.*": key_codec has no encode_filter', kv.watch, kv, { "ok", "a.*" })
    assert.are.same({}, assert(kv:keys { "a", "b" }))
    assert.are.same({}, assert(kv:keys ">"))
    raises("key", kv.put, kv, "with space", "")
    raises("option 'key_codec': table expected, got number", js.kv, js, "REFUSED", { key_codec = 7 })
    raises("option 'value_codec': decode: function expected, got nil", js.kv, js, "REFUSED",
        { value_codec = { encode = print } })
    assert.has_error(function() js:kv("REFUSED", { value_codec = "rot13" }) end)
    local function seven() return 7 end
    local wrong = assert(js:kv("REFUSED", { value_codec = { encode = seven, decode = seven } }))
    raises('key "k": encode of value_codec: string expected, got number', wrong.put, wrong, "k", "")
end

cases["a chain"] = function(_, js)
    local plain = make(js, "CHAIN", nil)
    local kv = assert(js:open_kv("CHAIN", {
        key_codec = filtered, codec = "base64", value_codec = "base64", timeout = 5 }))
    assert(kv:put("a b.c", "v"))
    assert.are.equal("eA.YiBh.Yw=dg", texts(assert(plain:history ">")))
    assert.are.equal("v", assert(kv:get_many "a b.*")["a b.c"].value)
    assert.are.equal("v", assert(kv:get "a b.c").value)
end

describe("codecs of a program:", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    helper.both_ways(it, cases)
end)
