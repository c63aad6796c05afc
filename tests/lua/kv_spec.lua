-- Key-value buckets of a real server: each method right and wrong, and watches through all that can happen to them;
-- blocking and over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

local function make(js, more)
    local config = { bucket = "B", storage = "memory" }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    return assert(js:create_kv(config))
end

-- "key=value" of the next entry of a watch, "key!" of one that is deleted, "." for the marker.
local function take(watch)
    local entry = assert(watch:next(20))
    if entry.kind == "status" then
        assert.are.equal("initial_done", entry.type)
        return "."
    end
    return entry.operation == "put" and entry.key .. "=" .. entry.value or entry.key .. "!"
end

-- The next n of them.
local function list(watch, n)
    local got = {}
    for i = 1, n do
        got[i] = take(watch)
    end
    return table.concat(got, " ")
end

-- Puts until the server takes it, as it does not right after a restart.
local function put(kv, key, value)
    return helper.eventually(function()
        return kv:put(key, value, { timeout = 2 })
    end, 30)
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["buckets are made, opened and deleted"] = function(_, js)
    local kv = assert(js:create_kv {
        bucket = "B", history = 5, ttl = 3600, limit_marker_ttl = 0.5 + 1, storage = "memory", description = "settings",
        max_bytes = 1048576, max_value_size = 1000, metadata = { owner = "tests" },
    })
    assert.are.equal("B", kv.bucket)
    local config = assert(kv:status()).stream.config
    assert.are.equal("KV_B", config.name)
    assert.are.equal(5, config.max_msgs_per_subject)
    assert.are.equal(3600, config.max_age)
    assert.are.equal(1.5, config.subject_delete_marker_ttl)
    assert.are.equal("settings", config.description)
    assert.are.equal(1000, config.max_msg_size)
    assert.are.equal("tests", config.metadata.owner)
    assert.is_true(config.allow_direct)
    make(js, { bucket = "C" })
    make(js, { bucket = "C" }) -- alike: no error
    helper.fails("already_exists", js:create_kv { bucket = "C", history = 9, storage = "memory" })
    assert.are.equal("B", assert(js:open_kv("B")).bucket)
    helper.fails("stream_not_found", js:open_kv("NO"))
    local missing = assert(js:kv("NO"))
    helper.fails("stream_not_found", missing:status { timeout = 10 })
    helper.fails("stream_not_found", missing:get("a"))
    helper.fails("stream_not_found", missing:keys())
    helper.fails("no_stream", missing:put("a", "1"))
    assert.is_true(js:delete_kv("C", { timeout = 10 }))
    helper.fails("stream_not_found", js:delete_kv("C"))
    helper.fails("stream_not_found", js:open_kv("C"))
    assert.truthy(tostring(kv):find("natskit.kv (B)", 1, true))
    assert.is_true(kv:close())
    assert.truthy(tostring(kv):find("closed", 1, true))
    helper.fails("closed", kv:get("a"))
    helper.fails("closed", kv:put("a", "1"))
    helper.fails("closed", kv:status())
    helper.fails("closed", kv:watch())
    helper.fails("closed", kv:keys())
end

cases["keys are set and read"] = function(_, js)
    local kv = make(js, { history = 5 })
    local before = os.time()
    assert.are.equal(1, kv:put("a.b", '{"n": 1}'))
    local entry = assert(kv:get("a.b"))
    assert.are.equal("entry", entry.kind)
    assert.are.equal("B", entry.bucket)
    assert.are.equal("a.b", entry.key)
    assert.are.equal('{"n": 1}', entry.value)
    assert.are.equal(8, entry.length)
    assert.are.equal(1, entry.revision)
    assert.are.equal("put", entry.operation)
    assert.are.equal(0, entry.delta)
    assert.is_true(entry.time >= before - 60 and entry.time <= os.time() + 60)
    assert.are.equal("integer", math.type(entry.time_ns))
    assert.are.equal(entry.time, entry.time_ns / 1e9)
    assert.are.same({ n = 1 }, entry:json())
    assert.is_nil(entry.other)
    assert.truthy(tostring(entry):find("put of a.b, revision 1", 1, true))
    assert.are.equal(2, kv:put("a.b", ""))
    assert.are.equal("", assert(kv:get("a.b")).value)
    assert.are.equal('{"n": 1}', assert(kv:get("a.b", { revision = 1, timeout = 10 })).value)
    helper.fails("key_not_found", kv:get("a.b", { revision = 3 }))
    helper.fails("key_not_found", kv:get("other"))
    helper.fails("key_not_found", kv:get("other", { revision = 1 }))
    local big = ("\0x"):rep(200000)
    assert(kv:put("big", big))
    assert.are.equal(big, assert(kv:get("big")).value)
    assert.is_true(entry:close())
    assert.truthy(tostring(entry):find("closed", 1, true))
    helper.raises("the entry was closed", function()
        return entry.key
    end)
    helper.raises("the entry was closed", entry.json, entry)
end

cases["keys are created, updated and deleted"] = function(_, js)
    local kv = make(js, { history = 5 })
    assert.are.equal(1, kv:create("a", "1"))
    helper.fails("key_exists", kv:create("a", "2"))
    assert.are.equal("rejected", (select(6, kv:create("a", "2"))))
    assert.are.equal(2, kv:update("a", "2", 1))
    helper.fails("wrong_last", kv:update("a", "3", 1))
    assert.are.same({ 10071, 400, "rejected" }, { select(4, kv:update("a", "3", 1)) })
    assert.are.equal(3, kv:update("b", "new", 0))
    helper.fails("wrong_last", kv:delete("a", { revision = 1 }))
    assert.are.equal(4, kv:delete("a", { revision = 2 }))
    helper.fails("key_deleted", kv:get("a"))
    assert.are.equal(5, kv:create("a")) -- after a delete
    assert.are.equal("", assert(kv:get("a")).value)
    local operations = {}
    assert(kv:delete("a"))
    for i, entry in ipairs(assert(kv:history("a"))) do
        operations[i] = entry.operation .. entry.value
    end
    assert.are.equal("put1 put2 delete put delete", table.concat(operations, " "))
    helper.fails("wrong_last", kv:purge("a", { revision = 1 }))
    assert(kv:purge("a", { revision = 6, timeout = 10 }))
    local history = assert(kv:history("a"))
    assert.are.equal(1, #history)
    assert.are.equal("purge", history[1].operation)
    assert.are.equal(0, #assert(kv:history("none")))
end

cases["entries have a time to live"] = function(_, js)
    local kv = make(js, { limit_marker_ttl = 60 })
    local watch <close> = assert(kv:watch())
    assert(kv:create("a", "1", { ttl = 1 }))
    assert.are.equal("a=1 a!", list(watch, 2)) -- the server's marker
    helper.fails("key_deleted", kv:get("a"))
    assert(kv:purge("a", { ttl = 1 }))
    assert(kv:create("b", "1", { ttl = math.huge }))
    assert.are.equal("a! b=1", list(watch, 2))
    helper.eventually(function()
        return select(3, kv:get("a")) == "key_not_found"
    end)
    local other = make(js, { bucket = "C" })
    local result, _, code = other:create("a", "1", { ttl = 1 })
    assert.is_nil(result)
    assert.are.equal("ttl_refused", code)
end

cases["keys and history list what there is"] = function(_, js)
    local kv = make(js, { history = 3 })
    assert.are.same({}, kv:keys())
    for i = 1, 200 do
        assert(kv:put("k." .. i, "v"))
    end
    assert(kv:put("other", "v"))
    assert(kv:delete("k.7"))
    assert(kv:purge("k.8"))
    local keys = assert(kv:keys())
    assert.are.equal(199, #keys)
    assert.are.equal("k.1", keys[1])
    assert.are.equal("other", keys[199])
    assert.are.same({ "other" }, kv:keys("other", { timeout = 10 }))
    assert.are.same({ "k.1", "other" }, kv:keys { "k.1", "k.7", "other" })
    assert.are.same({}, kv:keys("none.*"))
    assert.are.equal(202, #assert(kv:history(">")))
    assert.are.equal(3, #assert(kv:history { "k.7", "other" }))
end

cases["what deletes leave is purged"] = function(_, js)
    local kv = make(js, { history = 5 })
    local function kept(key)
        local operations = {}
        for i, entry in ipairs(assert(kv:history(key))) do
            operations[i] = entry.operation
        end
        return table.concat(operations, " ")
    end
    assert.are.equal(0, kv:purge_deletes())
    for _, key in ipairs { "a", "b.x", "c", "d" } do
        assert(kv:put(key, "1"))
        assert(kv:put(key, "2"))
    end
    assert(kv:delete("a"))
    assert(kv:delete("b.x"))
    assert(kv:put("b.x", "again"))
    assert(kv:delete("d"))
    for _, older_than in ipairs { false, math.huge, 3600.5 } do -- what stands for the delete is young
        assert.are.equal(2, kv:purge_deletes { older_than = older_than or nil, timeout = 20 })
        assert.are.equal("delete", kept("a"))
        assert.are.equal("put put delete put", kept("b.x"))
        assert.are.equal("put put", kept("c"))
    end
    assert.are.equal(2, kv:purge_deletes { older_than = 0 })
    assert.are.equal("", kept("a"))
    assert.are.equal("", kept("d"))
    assert.are.equal("put put delete put", kept("b.x"))
    assert.are.equal("put put", kept("c"))
    assert.are.same({ "c", "b.x" }, kv:keys())
    assert(kv:delete("c"))
    helper.server:pause()
    helper.fails("timeout", kv:purge_deletes { timeout = 0.2 })
    helper.server:resume()
    assert.is_true(js:delete_kv("B"))
    helper.fails("stream_not_found", kv:purge_deletes())
    kv:close()
    helper.fails("closed", kv:purge_deletes())
end

cases["watch is a loop"] = function(nc, js)
    local kv = make(js)
    for i = 1, 150 do
        assert(kv:put("a." .. i, tostring(i)))
    end
    assert(kv:put("b", "x"))
    local count = 0
    for entry in kv:watch("a.*") do
        count = count + 1
        assert.are.equal(tostring(count), entry.value)
        assert.are.equal(150 - count, entry.delta)
        if entry.delta == 0 then
            break
        end
    end
    assert.are.equal(150, count)
    assert.are.equal(0, nc:stats().subs) -- the loop has closed its own
    helper.raises("in the loop", function()
        for _ in kv:watch() do
            error("in the loop")
        end
    end)
    assert.are.equal(0, nc:stats().subs)
    local watch <close> = assert(kv:watch("b"))
    for entry in watch do
        assert.are.equal("x", entry.value)
        if entry then
            break
        end
    end
    assert(kv:put("b", "y")) -- left, and still open
    assert.are.equal("b=y", take(watch))
    assert(kv:put("b", "z"))
    for entry in watch:messages(0.2) do
        assert.are.equal("z", entry.value)
    end
    assert.is_nil(watch:reason())
    helper.raises("entries have no payload", function()
        assert(kv:put("b", "again"))
        for _ in watch:strings() do -- luacheck: ignore
        end
    end)
    assert.are.equal("again", watch:next_batch(5)[1].value)
end

cases["watches have options"] = function(_, js)
    local kv = make(js, { history = 5 })
    for _, value in ipairs { "1", "2", "3" } do
        assert(kv:put("a", value))
    end
    assert(kv:put("b", "4"))
    assert(kv:delete("b"))
    local function watch(expected, ...)
        local made <close> = assert(kv:watch(...))
        local n = select(2, expected:gsub("%S+", ""))
        assert.are.equal(expected, list(made, n))
        return made
    end
    watch("a=3 b! .", { marker = true })
    watch("a=3 .", "a", { marker = true })
    watch("a=3 b! .", { "a", "b" }, { marker = true })
    watch("a=3 b! .", { keys = { "a", "b" }, marker = true })
    watch("a=3 .", { keys = "a", marker = true })
    watch("a=1 a=2 a=3 b=4 b! .", { history = true, marker = true })
    watch("a=3 b=4 b! .", { from_revision = 3, marker = true })
    watch("a=3 .", { ignore_deletes = true, marker = true })
    watch("a= b! .", { meta_only = true, marker = true })
    watch("a= b! .", nil, { headers_only = true, marker = true })
    watch(".", { updates_only = true, marker = true })
    local got = {}
    for entry in kv:watch { ends = true } do
        got[#got + 1] = entry.key
    end
    assert.are.equal("a b", table.concat(got, " "))
    local metas <close> = assert(kv:watch { meta_only = true, keys = "a" })
    assert.are.equal(1, assert(metas:next(20)).length)
    local updates <close> = assert(kv:watch { updates_only = true, marker = true })
    assert.are.equal(".", take(updates)) -- from now on
    assert(kv:put("c", "5"))
    assert.are.equal("c=5", take(updates))
end

cases["the marker comes exactly once"] = function(_, js)
    local kv = make(js)
    local watch <close> = assert(kv:watch { marker = true })
    local marker = assert(watch:next(20))
    assert.are.equal("status", marker.kind)
    assert.are.equal("initial_done", marker.type)
    assert.is_nil(marker.key)
    assert(kv:put("a", "1"))
    assert(kv:put("b", "2"))
    assert.are.equal("a=1 b=2", list(watch, 2))
    helper.fails("would_block", watch:next(0))
    local info = assert(watch:watch_info())
    assert.are.equal(2, info.last_revision)
    assert.is_true(info.initial_done)
    assert.is_true(info.live)
    assert.are.same({ 0, 0, 0 }, { info.resets, info.passed, info.rewinds })
    assert.are.equal(3, watch:stats().taken)
    local plain <close> = assert(kv:watch())
    assert.are.equal("a=1 b=2", list(plain, 2))
    assert(kv:put("c", "3"))
    assert.are.equal("c=3", take(plain))
end

cases["a consumer deleted behind its back is made anew"] = function(_, js)
    local kv = make(js)
    assert(kv:put("a", "1"))
    local watch <close> = assert(kv:watch { marker = true })
    assert.are.equal("a=1 .", list(watch, 2))
    for _, name in ipairs(assert(js:consumer_names("KV_B"))) do
        assert(js:delete_consumer("KV_B", name))
    end
    assert(kv:put("a", "2"))
    assert.are.equal("a=2", take(watch)) -- when heartbeats are missed
    assert.is_true(assert(watch:watch_info()).resets >= 1)
end

cases["a loop says that its bucket is gone"] = function(_, js)
    local kv = make(js)
    assert(kv:put("a", "1"))
    local other <close> = assert(kv:watch())
    local seen = 0
    local message = helper.raises("stream_not_found", function()
        for entry in kv:watch() do
            assert.are.equal("a", entry.key)
            seen = seen + 1
            assert.is_true(js:delete_kv("B"))
        end
    end)
    assert.truthy(message:find("the watch has ended", 1, true))
    assert.are.equal(1, seen)
    assert.are.equal("a=1", take(other))
    helper.fails("stream_not_found", other:next(20))
    assert.are.equal("stream_not_found", other:reason())
    helper.raises("stream_not_found", function()
        for _ in other:messages() do -- luacheck: ignore
        end
    end)
    helper.fails("not_found", other:watch_info())
    local missing <close> = assert(kv:watch())
    helper.fails("stream_not_found", missing:next(20))
end

cases["slow taking loses nothing"] = function(_, js)
    local kv = make(js, { history = 64 })
    local watch <close> = assert(kv:watch { marker = true })
    assert.are.equal(".", take(watch)) -- its consumer is there
    local pub <close> = assert(js:publisher())
    local count = 3000
    for i = 1, count do
        assert(pub:publish("$KV.B.k." .. i % 50, tostring(i)))
        if i % 100 == 0 then
            assert.are.equal("put", assert(watch:next(20)).operation)
        end
    end
    assert(pub:done(20))
    local last = count // 100
    while last < count do
        local entry = assert(watch:next(20))
        last = last + 1
        assert.are.equal(last, entry.revision)
        assert.are.equal(tostring(last), entry.value)
    end
    assert.are.equal(0, watch:stats().dropped_msgs)
end

cases["a drain, a close and the end of the connection end it quietly"] = function(nc, js)
    local kv = make(js)
    for i = 1, 10 do
        assert(kv:put("k." .. i, "v"))
    end
    local watch = assert(kv:watch())
    take(watch)
    assert.is_true(watch:start_drain(20))
    for _ in watch do -- luacheck: ignore
    end
    assert.are.equal("unsubscribed", watch:reason())
    helper.fails("end", watch:next(5))
    assert.is_true(watch:close())
    helper.fails("closed", watch:next(5))
    for entry in kv:watch() do
        if entry.delta == 0 then
            nc:close()
        end
    end
    helper.fails("closed", kv:put("a", "1"))
end

describe("key-value", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    local run = helper.with_jetstream

    helper.both_ways(it, cases)

    for _, how in ipairs { "blocking", "in a task" } do
        local function start(case)
            if how == "blocking" then
                run(case)
            else
                loop.run(run, case)
                nats.set_scheduler(nil)
            end
        end

        it("watches through a restart of the server, " .. how, function()
            start(function(_, js)
                local kv = helper.eventually(function() -- the server may still delete the folder of the one before
                    return js:create_kv { bucket = how == "blocking" and "F1" or "F2", storage = "file" }
                end)
                assert(kv:put("a", "1"))
                local watch <close> = assert(kv:watch { marker = true })
                assert.are.equal("a=1 .", list(watch, 2))
                helper.server:restart()
                put(kv, "a", "2")
                assert.are.equal("a=2", take(watch))
                put(kv, "b", "3")
                assert.are.equal("b=3", take(watch))
                assert.is_nil(watch:reason())
            end)
        end)

        it("watches through a cut connection, " .. how, function()
            start(function(nc, js, tap)
                local kv = make(js)
                local writer <close> = helper.connect()
                local other = assert(assert(writer:jetstream()):kv("B"))
                assert(kv:put("a", "1"))
                local watch <close> = assert(kv:watch { marker = true })
                assert.are.equal("a=1 .", list(watch, 2))
                for round = 2, 4 do
                    tap:command("cut")
                    assert(other:put("a", tostring(round)))
                    assert.are.equal("a=" .. round, take(watch))
                end
                assert.is_true(nc:stats().reconnects >= 3)
            end)
        end)
    end

    it("lets other tasks run while it waits, and wakes them", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local js <close> = assert(nc:jetstream { timeout = 20 })
            local _ = js:delete_kv("B")
            local kv = make(js)
            local got, ended = {}, 0
            for i = 1, 5 do
                loop.spawn(function()
                    for entry in kv:watch("k." .. i) do
                        got[#got + 1] = entry.key
                        if entry.value == "last" then
                            break
                        end
                    end
                    ended = ended + 1
                end)
            end
            for i = 1, 5 do
                assert(kv:put("k." .. i, "first"))
            end
            while #got < 5 do
                loop.sleep(0.005)
            end
            assert.are.equal(0, ended)
            for i = 1, 5 do
                assert(kv:put("k." .. i, "last"))
            end
            while ended < 5 do
                loop.sleep(0.005)
            end
            assert.are.equal(10, #got)
            local woken
            local watch = assert(kv:watch { updates_only = true })
            loop.spawn(function()
                woken = select(3, watch:next())
            end)
            loop.sleep(0.01)
            watch:close() -- by another task
            assert.are.equal("closed", woken)
        end)
        nats.set_scheduler(nil)
    end)

    it("lets a drain of the connection wait for the body of a loop", function()
        loop.run(function()
            local nc = helper.connect()
            local js <close> = assert(nc:jetstream { timeout = 20 })
            local _ = js:delete_kv("B")
            local kv = make(js)
            for i = 1, 20 do
                assert(kv:put("k." .. i, "v"))
            end
            local done, ended = 0, false
            loop.spawn(function()
                for _ in kv:watch() do
                    loop.sleep(0.005)
                    done = done + 1
                end
                ended = true
            end)
            while done < 5 do
                loop.sleep(0.002)
            end
            assert.is_true(nc:drain(20))
            assert.is_true(ended)
            assert.are.equal(20, done)
        end)
        nats.set_scheduler(nil)
    end)

    it("may be collected in any order at any time", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream { timeout = 20 })
        local _ = js:delete_kv("B")
        assert(make(js):put("a", "1"))
        for round = 1, 20 do
            math.randomseed(round)
            local kv = assert(js:kv("B"))
            local kept = { kv, assert(kv:get("a")), table.pack(kv:watch()), (kv:watch()), select(4, kv:watch()) }
            kept[6] = assert(kept[4]:next(20))
            kept[7] = kv:history("a")
            kv = nil -- luacheck: ignore
            while #kept > 0 do
                table.remove(kept, math.random(#kept))
                collectgarbage(math.random(2) == 1 and "collect" or "step")
            end
        end
    end)

    it("raises for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        helper.raises("string expected", js.kv, js)
        helper.raises("string expected", js.open_kv, js, 5)
        helper.raises("bucket", js.kv, js, "a b")
        helper.raises("bucket", js.open_kv, js, "")
        helper.raises("bucket", js.delete_kv, js, "a.b")
        helper.raises("no option \"ttl\"", js.open_kv, js, "B", { ttl = 1 })
        helper.raises("table expected", js.create_kv, js, "B")
        helper.raises("bucket", js.create_kv, js, {})
        helper.raises("bucket", js.create_kv, js, { bucket = "a b" })
        helper.raises("history", js.create_kv, js, { bucket = "B", history = 65 })
        helper.raises("ttl", js.create_kv, js, { bucket = "B", ttl = "1h" })
        helper.raises("histroy", js.create_kv, js, { bucket = "B", histroy = 5 })
        helper.raises("natskit.js expected", js.create_kv, nc, { bucket = "B" })
        local bucket <close> = assert(js:kv("B"))
        helper.raises("known: timeout older_than", bucket.purge_deletes, bucket, { olderthan = 5 })
        helper.raises("seconds", bucket.purge_deletes, bucket, { older_than = -1 })
        local kv <close> = assert(js:kv("B"))
        helper.raises("natskit.kv expected", kv.get, js, "a")
        helper.raises("string expected", kv.get, kv)
        helper.raises("get:", kv.get, kv, "a b")
        helper.raises("get:", kv.get, kv, "a.*")
        helper.raises("put:", kv.put, kv, "", "v")
        helper.raises("put:", kv.put, kv, ".a", "v")
        helper.raises("delete:", kv.delete, kv, "a..b")
        helper.raises("string expected", kv.put, kv, "a")
        helper.raises("string expected", kv.put, kv, "a", {})
        helper.raises("number expected", kv.update, kv, "a", "v")
        helper.raises("whole number expected", kv.update, kv, "a", "v", -1)
        helper.raises("whole number expected", kv.get, kv, "a", { revision = "1" })
        helper.raises("unknown option 'ttl' (known: timeout revision)", kv.delete, kv, "a", { ttl = 1 })
        helper.raises("unknown option 'revision' (known: timeout)", kv.put, kv, "a", "v", { revision = 1 })
        helper.raises("unknown option '1'", kv.get, kv, "a", { 5 })
        helper.raises("table expected", kv.get, kv, "a", 5)
        helper.raises("create:", kv.create, kv, "a", "v", { ttl = 0.5 })
        helper.raises("seconds", kv.purge, kv, "a", { ttl = -1 })
        helper.raises("list of strings", kv.watch, kv, 5)
        helper.raises("list of strings", kv.watch, kv, { 5 })
        helper.raises("watch: key", kv.watch, kv, "a b")
        helper.raises("keys: key", kv.keys, kv, "a..b")
        helper.raises("did you mean", kv.watch, kv, { histori = true })
        helper.raises("boolean expected", kv.watch, kv, { meta_only = 1 })
        helper.raises("boolean expected", kv.watch, kv, "a", { marker = "yes" })
        helper.raises("value expected", kv.history, kv)
        helper.raises("unknown option 'revision'", kv.history, kv, "a", { revision = 1 })
        local sub <close> = assert(nc:subscribe("x"))
        helper.fails("not_found", sub:watch_info())
        helper.raises("and watches are called", sub)
    end)
end)
