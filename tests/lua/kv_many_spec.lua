-- Buckets as a whole, of a real server: making and listing them, how they are opened, codecs, changing many keys,
-- entries at hand, changing a value by a function; blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

local function make(js, bucket, more)
    local config = { bucket = bucket, storage = "memory" }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    return assert(js:create_kv(config))
end

local function sorted(list)
    table.sort(list)
    return table.concat(list, " ")
end

local cases = {}

cases["buckets are made, changed and listed"] = function(_, js)
    make(js, "A", { history = 3, ttl = 60, limit_marker_ttl = 2 })
    helper.fails("already_exists", js:create_kv { bucket = "A", storage = "memory", history = 4 })
    local kv = assert(js:update_kv { bucket = "A", history = 5 })
    assert.are.equal("A", kv.bucket)
    local status = assert(kv:status())
    assert.are.same({ "A", 5, 60, 2, 0, false, "memory" }, {
        status.bucket, status.history, status.ttl, status.limit_marker_ttl, status.values, status.compression,
        status.storage })
    assert.are.equal("KV_A", status.stream.config.name)
    helper.fails("stream_not_found", js:update_kv { bucket = "NONE" })
    assert(js:create_or_update_kv { bucket = "B", storage = "memory", history = 2 })
    assert(js:create_or_update_kv { bucket = "B", storage = "memory", history = 9 })
    assert.are.equal("A B", sorted(assert(js:kv_names())))
    for _, row in ipairs(assert(js:kv_list())) do
        assert.are.equal(row.bucket == "A" and 5 or 9, row.history)
    end
    assert.is_true(js:delete_kv "B")
    helper.fails("stream_not_found", js:delete_kv "B")
    helper.fails("stream_not_found", js:open_kv "B")
    assert.has_error(function() js:delete_kv "a.b" end)
    assert.has_error(function() js:kv("A", { codec = "other" }) end)
    assert.has_error(function() js:kv("A", { kodec = "path" }) end)
end

cases["a mirror is written where it comes from"] = function(_, js)
    local origin = make(js, "M1")
    make(js, "M2", { mirror = { name = "M1" } })
    local mirror = assert(js:open_kv("M2", { timeout = 20 }))
    assert(mirror:put("k", "1"))
    assert.are.equal("1", assert(origin:get "k").value)
    assert.are.equal("1", helper.eventually(function() return mirror:get "k" end).value)
end

cases["keys of sources are its own"] = function(_, js)
    local from = make(js, "FROM")
    assert(from:put("k", "1"))
    local both = make(js, "S2", { sources = { { name = "FROM" } } })
    assert.are.equal("1", helper.eventually(function() return both:get "k" end).value)
end

cases["what is opened to be read alone changes nothing"] = function(_, js)
    assert(make(js, "RO"):put("k", "1"))
    local view = js:kv("RO", { read_only = true })
    assert.are.equal("1", assert(view:get "k").value)
    helper.fails("read_only", view:put("k", "2"))
    helper.fails("read_only", view:delete_all ">")
end

cases["codecs of keys"] = function(_, js)
    local kv = make(js, "CODEC")
    local path = js:kv("CODEC", { codec = "path" })
    assert(path:put("/etc/hosts", "1"))
    assert.are.equal("1", assert(kv:get "_root_.etc.hosts").value)
    assert.are.equal("/etc/hosts", assert(path:get "/etc/hosts").key)
    assert.are.same({ "/etc/hosts" }, assert(path:keys "/etc/*"))
    local base64 = js:kv("CODEC", { codec = "base64" })
    assert(base64:put("a b.\xc3\xbc", "2"))
    assert.are.same({ "a b.\xc3\xbc" }, assert(base64:keys "a b.*"))
    assert.are.equal("2", assert(base64:get "a b.\xc3\xbc").value)
end

cases["all keys that match are changed"] = function(_, js)
    local many = make(js, "MANY", { history = 3 })
    for i = 1, 100 do
        assert(many:put("a." .. i, "1"))
    end
    assert(many:put("b", "1"))
    assert(many:delete "a.1")
    assert.are.equal(99, assert(many:delete_all "a.*"))
    assert.are.equal(0, assert(many:delete_all { "a.*", "c" }))
    assert.are.same({ "b" }, assert(many:keys()))
    assert.are.equal(1, assert(many:purge_all "b"))
    assert.are.equal(101, assert(many:purge_deletes()))
    assert.are.equal(101, assert(many:status()).values)
    assert.are.equal(100, assert(many:purge_deletes { keys = "a.*", older_than = 0 }))
    assert.are.equal(1, assert(many:status()).values)
    assert.has_error(function() many:delete_all {} end)
    assert.has_error(function() many:delete_all "a..b" end)
    assert.has_error(function() many:delete_all() end)
    helper.fails("stream_not_found", js:kv("NONE"):delete_all ">")
end

cases["entries are at hand"] = function(nc, js)
    local many = make(js, "CACHE")
    assert(many:put("b", "1"))
    assert(many:delete "b")
    assert(many:put("x", "1"))
    helper.fails("not_found", many:cached "x")
    helper.fails("not_found", many:cache_info())
    local watch <close> = assert(many:cache())
    assert.are.equal("initial_done", assert(watch:next(20)).type)
    assert.are.equal("1", assert(many:cached "x").value)
    helper.fails("key_not_found", many:cached "b")
    assert.has_error(function() many:cached "a..b" end)
    helper.fails("busy", many:cache()) -- there is one
    local revision = assert(many:put("y", "2"))
    helper.eventually(function()
        nc:flush(20)
        return many:cache_info().last_revision >= revision
    end)
    local keys = {}
    for _, entry in ipairs(assert(many:cached_all())) do
        keys[#keys + 1] = entry.key .. "=" .. entry.value
    end
    assert.are.equal("x=1 y=2", sorted(keys))
    assert.are.equal(2, many:cache_info().entries)
    assert.is_true(many:cache_info().complete)
    watch:close()
    helper.fails("unsubscribed", many:cached "x")
end

cases["a value is changed by a function"] = function(_, js)
    local many = make(js, "FN")
    local seen = {}
    local function increment(value)
        seen[#seen + 1] = value or "nil"
        if #seen == 2 then
            assert(many:put("n", "10")) -- another is faster
        end
        return tostring((value or 0) // 1 + 1)
    end
    assert(many:modify("n", increment))
    local made = assert(many:modify("n", increment))
    assert.are.same({ "nil", "1", "10" }, seen)
    local entry = assert(many:get "n")
    assert.are.same({ "11", made }, { entry.value, entry.revision })
    assert.is_false(many:modify("n", function() end))
    assert(many:delete "n")
    assert(many:modify("n", function(value) return value or "none" end))
    assert.are.equal("none", assert(many:get "n").value)
    helper.fails("wrong_last", many:modify("n", function()
        assert(many:put("n", "x"))
        return "y"
    end, { tries = 2 }))
    helper.fails("stream_not_found", js:kv("NONE"):modify("n", increment))
    assert.has_error(function() many:modify("n", function() error "no" end) end)
    assert.has_error(function() many:modify("a..b", increment) end)
    assert.has_error(function() many:modify("n", increment, { tries = 0 }) end)
end

describe("buckets as a whole:", function()
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
