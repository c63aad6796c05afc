-- Several keys of a bucket at once, of a real server: got as of one moment, and changed together or not at all;
-- blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

local function make(js, bucket, more)
    local config = { bucket = bucket, storage = "memory" }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    return assert(js:create_kv(config))
end

local function names(found)
    local list = {}
    for key, entry in pairs(found) do
        assert.are.equal(key, entry.key)
        list[#list + 1] = key .. "=" .. entry.value .. "@" .. entry.revision
    end
    table.sort(list)
    return table.concat(list, " ")
end

local cases = {}

cases["get_many"] = function(_, js)
    local kv = make(js, "M")
    assert(kv:put("b", "1"))
    assert(kv:put("a", "2"))
    assert(kv:put("gone", "3"))
    assert(kv:delete "gone")
    assert(kv:put("c.d", "5"))
    assert.are.equal("a=2@2 b=1@1", names(assert(kv:get_many { "a", "missing", "gone", "b" })))
    assert.are.equal("c.d=5@5", names(assert(kv:get_many "c.*")))
    assert.are.same({}, assert(kv:get_many "missing"))
    assert.are.same({}, assert(kv:get_many {}))
    local told = assert(kv:get_many({ "a", "gone" }, { ignore_deletes = false, timeout = 20 }))
    assert.are.same({ "put", "delete", 4 }, { told.a.operation, told.gone.operation, told.gone.revision })
    assert.has_error(function() kv:get_many { "a", "b..c" } end)
    assert.has_error(function() kv:get_many() end)
    assert.has_error(function() kv:get_many("a", { what = 1 }) end)
    assert.are.equal("2", assert(js:kv("M", { direct = false }):get_many { "a", "none" }).a.value)
    helper.fails("stream_not_found", js:kv("NONE"):get_many "a")
end

cases["a batch is made at once"] = function(_, js)
    local kv = make(js, "B", { allow_atomic = true, limit_marker_ttl = 1 })
    assert(kv:put("up", "1"))
    assert(kv:put("gone", "2"))
    assert(kv:put("purged", "3"))
    local batch <close> = assert(kv:batch())
    assert(batch:put("a", "4"))
    assert(batch:create("new", "5", { ttl = 3600 }))
    assert(batch:update("up", "6", 1))
    assert(batch:delete("gone", { revision = 2 }))
    assert(batch:purge("purged", { ttl = 3600 }))
    assert.are.equal(5, assert(batch:info()).msgs)
    assert.are.equal("1", assert(kv:get "up").value)
    assert.are.same({ 4, 5, 6, 7, 8 }, assert(batch:commit(20)))
    assert.are.equal("a=4@4 gone=@7 new=5@5 purged=@8 up=6@6",
        names(assert(kv:get_many(">", { ignore_deletes = false }))))
    helper.fails("closed", batch:put("late", "x"))
end

cases["or not at all"] = function(_, js)
    local kv = make(js, "N", { allow_atomic = true })
    assert(kv:put("a", "1"))
    local batch = assert(kv:batch { max_bytes = 4096 })
    assert(batch:put("b", "2"))
    assert(batch:create("a", "2"))
    helper.fails("wrong_last", batch:commit())
    assert.are.same({ "a" }, assert(kv:keys()))
    assert(kv:delete "a")
    batch = assert(kv:batch())
    assert(batch:update("a", "2", assert(kv:get_many("a", { ignore_deletes = false })).a.revision))
    assert(batch:put("c", "3"))
    assert.are.same({ 3, 4 }, assert(batch:commit()))
    batch = assert(kv:batch())
    assert(batch:put("a", "2"))
    assert.has_error(function() batch:update("a", "3", 3) end) -- the batch changes it before
    assert.has_error(function() batch:put("_kv.x", "") end)
    assert.has_error(function() batch:add("$KV.N.a", "") end)
    assert.has_error(function() batch:delete("a", { timeout = 1 }) end)
    batch:discard()
    local plain <close> = js:batch()
    assert.has_error(function() plain:put("a", "") end)
    helper.fails("read_only", assert(js:kv("N", { read_only = true }):batch()):put("a", "1"))
    batch = assert(make(js, "P"):batch())
    assert(batch:put("a", "1"))
    assert(batch:put("b", "1"))
    helper.fails("batch_not_allowed", batch:commit())
end

describe("several keys of a bucket:", function()
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
