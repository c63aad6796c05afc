-- Management of streams and consumers against a real server: each call right and wrong, blocking and over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

local function fails(code, err_code, ...)
    helper.fails(code, ...)
    local _, _, _, got, server = ...
    assert.are.equal(err_code, got)
    assert.are.equal(err_code and "integer", server and math.type(server))
end

-- A stream S with so many messages s.1, s.2, ..., each with its number as data.
local function make(nc, js, messages, more)
    -- In memory: one of files may go on counting where the one that was deleted just before has ended.
    local config = { name = "S", subjects = { "s.*" }, storage = "memory" }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    assert(js:add_stream(config))
    for i = 1, messages or 0 do
        local options = { timeout = 10, headers = { Number = tostring(i), Both = { "a", "b" } } }
        assert(nc:request("s." .. i, tostring(i), options))
    end
end

-- What is done the same way by a program that blocks and in a task. Each gets a connection and a context.
local cases = {}

cases["the account"] = function(_, js)
    local info = assert(js:account_info())
    assert.are.equal(0, info.streams)
    assert.are.equal(-1, info.limits.max_streams)
    make(_, js)
    assert.are.equal(1, assert(js:account_info()).streams)
end

cases["streams, created and updated"] = function(nc, js)
    local info = assert(js:add_stream { name = "S", subjects = { "s.*" }, max_age = 3600 })
    assert.are.equal("S", info.config.name)
    assert.are.equal(3600, info.config.max_age)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, max_age = 3600 }) -- alike: no error
    fails("already_exists", 10058, js:add_stream { name = "S", subjects = { "t" } })
    fails("js_refused", 10065, js:add_stream { name = "T", subjects = { "s.a" } })
    info = assert(js:update_stream { name = "S", max_msgs = 5, description = "five" })
    assert.are.equal(5, info.config.max_msgs)
    assert.are.equal(3600, info.config.max_age) -- kept
    fails("stream_not_found", 10059, js:update_stream { name = "NO", max_msgs = 5 })
    assert(js:create_or_update_stream { name = "S", max_msgs = 6 })
    info = assert(js:create_or_update_stream { name = "T", subjects = { "t" } })
    assert.are.same({ "t" }, { info.config.subjects[1] })
    assert.are.equal(6, assert(js:stream_info("S")).config.max_msgs)
    assert.is_true(nc:flush())
end

cases["infos of streams"] = function(nc, js)
    make(nc, js, 3)
    local info = assert(js:stream_info("S"))
    assert.are.equal(3, info.state.messages)
    assert.is_nil(info.state.subjects)
    info = assert(js:stream_info("S", { subjects_filter = "s.>" }))
    assert.are.same({ ["s.1"] = 1, ["s.2"] = 1, ["s.3"] = 1 }, info.state.subjects)
    assert.is_true(js:delete_msg("S", 2))
    info = assert(js:stream_info("S", { deleted_details = true, timeout = 10 }))
    assert.are.equal(2, info.state.deleted[1])
    fails("stream_not_found", 10059, js:stream_info("NO"))
end

cases["names and lists"] = function(nc, js)
    assert.are.equal(0, #assert(js:stream_names()))
    assert.are.equal(0, #assert(js:streams()))
    make(nc, js, 1)
    assert(js:add_stream { name = "T", subjects = { "t" } })
    local names = assert(js:stream_names())
    table.sort(names)
    assert.are.equal("S T", table.concat(names, " "))
    assert.are.equal("T", table.concat(assert(js:stream_names("t")), " "))
    local infos = assert(js:streams("s.1"))
    assert.are.equal(1, #infos)
    assert.are.equal(1, infos[1].state.messages)
    assert.are.equal(120, infos[1].config.duplicate_window)
    assert.are.equal("S", js:find_stream("s.1"))
    fails("stream_not_found", nil, js:find_stream("none"))
    fails("stream_not_found", 10059, js:consumer_names("NO"))
    fails("stream_not_found", 10059, js:consumers("NO"))
    assert.are.equal(0, #assert(js:consumer_names("S")))
    assert.are.equal(0, #assert(js:consumers("S")))
end

cases["purges and deletions"] = function(nc, js)
    make(nc, js, 6)
    assert.are.equal(1, js:purge_stream("S", { filter = "s.2" }))
    assert.are.equal(2, js:purge_stream("S", { seq = 4 }))
    assert.are.equal(1, js:purge_stream("S", { keep = 2 }))
    assert.are.equal(2, js:purge_stream("S"))
    fails("js_refused", 10003, js:purge_stream("S", { seq = 4, keep = 2 }))
    fails("stream_not_found", 10059, js:purge_stream("NO"))
    assert(nc:request("s.7", "", { timeout = 10 }))
    assert.is_true(js:delete_msg("S", 7, { no_erase = true }))
    fails("msg_not_found", 10043, js:delete_msg("S", 7))
    assert.is_true(js:delete_stream("S"))
    fails("stream_not_found", 10059, js:delete_stream("S"))
end

cases["messages as the stream keeps them"] = function(nc, js)
    make(nc, js, 3)
    local msg = assert(js:get_msg("S", { seq = 2 }))
    assert.are.equal("s.2", msg.subject)
    assert.are.equal("2", msg.data)
    assert.are.equal(2, msg.seq)
    assert.are.same({ Number = { "2" }, Both = { "a", "b" } }, msg.headers)
    assert.are.equal("integer", math.type(msg.time_ns))
    assert.is_true(math.abs(msg.time_ns / 1e9 - os.time()) < 100)
    assert.is_true(math.abs(msg.time - os.time()) < 100)
    assert.are.equal(3, assert(js:get_msg("S", { last_by_subj = "s.3" })).seq)
    assert.are.equal(3, assert(js:get_msg("S", { seq = 2, next_by_subj = "s.3" })).seq)
    local bytes = {}
    for i = 0, 255 do
        bytes[i + 1] = string.char(i)
    end
    for i, data in ipairs { "", "\0", "\xff\xfe", table.concat(bytes), ("x"):rep(100000) } do
        assert(nc:request("s.b", data, { timeout = 10 }))
        msg = assert(js:get_msg("S", { seq = 3 + i }))
        assert.are.equal(data, msg.data)
        assert.is_nil(msg.headers)
    end
    fails("msg_not_found", 10037, js:get_msg("S", { seq = 99 }))
    fails("msg_not_found", 10037, js:get_msg("S", { last_by_subj = "s.99" }))
    fails("stream_not_found", 10059, js:get_msg("NO", { seq = 1 }))
end

cases["consumers"] = function(nc, js)
    make(nc, js, 2)
    local info = assert(js:add_consumer("S", { durable_name = "c", ack_wait = 1.5, filter_subject = "s.1" }))
    assert.are.equal("c", info.name)
    assert.are.equal("S", info.stream_name)
    assert.are.equal("explicit", info.config.ack_policy)
    assert.are.equal(1.5, info.config.ack_wait)
    assert.are.equal(1, info.num_pending)
    fails("already_exists", 10148, js:add_consumer("S", { durable_name = "c", ack_policy = "none" }))
    assert.are.equal("none", assert(js:add_consumer("S", { name = "n", ack_policy = "none" })).config.ack_policy)
    info = assert(js:update_consumer("S", { durable_name = "c", max_deliver = 9 }))
    assert.are.equal(9, info.config.max_deliver)
    assert.are.equal(1.5, info.config.ack_wait)
    fails("consumer_not_found", 10014, js:update_consumer("S", { durable_name = "no", max_deliver = 9 }))
    info = assert(js:create_or_update_consumer("S", { durable_name = "c", ack_wait = 2 }))
    assert.are.equal(2, info.config.ack_wait)
    assert.are.equal("", info.config.filter_subject or "")
    assert.are.equal(2, assert(js:consumer_info("S", "c")).config.ack_wait)
    local names = assert(js:consumer_names("S"))
    table.sort(names)
    assert.are.equal("c n", table.concat(names, " "))
    assert.are.equal(2, #assert(js:consumers("S")))
    fails("consumer_not_found", 10014, js:consumer_info("S", "no"))
    fails("stream_not_found", 10059, js:consumer_info("NO", "c"))
    fails("stream_not_found", 10059, js:add_consumer("NO", { durable_name = "c" }))
    assert.is_true(js:delete_consumer("S", "c"))
    fails("consumer_not_found", 10014, js:delete_consumer("S", "c"))
end

cases["pauses, resets and pins"] = function(nc, js)
    make(nc, js, 1)
    assert(js:add_consumer("S", { durable_name = "c" }))
    local pause = assert(js:pause_consumer("S", "c", os.time() + 1000))
    assert.is_true(pause.paused)
    assert.is_true(pause.pause_remaining > 900 and pause.pause_remaining < 1001)
    assert.is_true(assert(js:consumer_info("S", "c")).pause_remaining > 900)
    assert.is_true(assert(js:pause_consumer("S", "c", "2099-01-01T00:00:00Z")).paused)
    assert.is_false(assert(js:resume_consumer("S", "c")).paused)
    fails("consumer_not_found", 10014, js:pause_consumer("S", "no", os.time() + 1000))
    fails("consumer_not_found", 10014, js:resume_consumer("S", "no"))
    if nc:server_at_least(2, 14) then
        assert(js:reset_consumer("S", "c"))
        assert(js:reset_consumer("S", "c", { seq = 1 }))
    end
    local pinned = { durable_name = "p", priority_groups = { "g" }, priority_policy = "pinned_client" }
    assert(js:add_consumer("S", pinned))
    assert.is_true(js:unpin_consumer("S", "p", "g"))
    fails("js_refused", 10160, js:unpin_consumer("S", "p", "other"))
    fails("consumer_not_found", 10014, js:unpin_consumer("S", "no", "g"))
end

cases["a stream as an object"] = function(nc, js)
    make(nc, js, 4)
    local stream = assert(js:stream("S"))
    assert.are.equal("S", stream.name)
    assert.are.equal(4, stream.cached_info.state.messages)
    assert.truthy(tostring(stream):find("natskit.stream (S)", 1, true))
    assert.are.equal(1, stream:purge { filter = "s.1" })
    assert.are.equal(4, stream.cached_info.state.messages)
    assert.are.equal(3, assert(stream:info()).state.messages)
    assert.are.equal(3, stream.cached_info.state.messages)
    assert.are.equal(9, assert(stream:update { max_consumers = -1, max_msgs = 9 }).config.max_msgs)
    assert.are.equal(9, stream.cached_info.config.max_msgs)
    assert.are.equal("4", assert(stream:get_msg { seq = 4 }).data)
    assert.is_true(stream:delete_msg(4))
    fails("msg_not_found", 10037, stream:get_msg { seq = 4 })
    local consumer = assert(stream:add_consumer { durable_name = "c" })
    assert.are.equal("c", consumer.name)
    assert.are.equal("S", consumer.stream_name)
    assert.are.equal("explicit", consumer.cached_info.config.ack_policy)
    consumer = assert(stream:update_consumer { durable_name = "c", max_deliver = 3 })
    assert.are.equal(3, consumer.cached_info.config.max_deliver)
    consumer = assert(stream:create_or_update_consumer { durable_name = "c", max_deliver = 4 })
    assert.are.equal(4, consumer.cached_info.config.max_deliver)
    assert.are.equal(4, assert(stream:consumer("c")).cached_info.config.max_deliver)
    assert.are.equal("c", table.concat(assert(stream:consumer_names()), " "))
    assert.are.equal(1, #assert(stream:consumers()))
    assert.is_true(stream:delete_consumer("c"))
    fails("consumer_not_found", 10014, stream:consumer("c"))
    assert.is_true(stream:delete())
    fails("stream_not_found", 10059, stream:info())
    fails("stream_not_found", 10059, js:stream("S"))
end

cases["a consumer as an object"] = function(nc, js)
    make(nc, js, 1)
    assert(js:add_consumer("S", { durable_name = "c", priority_groups = { "g" }, priority_policy = "pinned_client" }))
    local consumer = assert(js:consumer("S", "c"))
    assert.are.equal("c", consumer.name)
    assert.are.equal("S", consumer.stream_name)
    assert.are.equal(7, assert(consumer:update { max_deliver = 7 }).config.max_deliver)
    assert.are.equal(7, consumer.cached_info.config.max_deliver)
    assert.are.equal(1, assert(consumer:info()).num_pending)
    assert.is_true(assert(consumer:pause(os.time() + 100.5)).paused)
    assert.is_false(assert(consumer:resume()).paused)
    assert.is_true(consumer:unpin("g"))
    if nc:server_at_least(2, 14) then
        assert(consumer:reset { seq = 1 })
    end
    assert.is_true(consumer:delete())
    fails("consumer_not_found", 10014, consumer:info())
    fails("consumer_not_found", 10014, js:consumer("S", "c"))
end

cases["calls by name"] = function(nc, js)
    make(nc, js, 1)
    local answer = assert(js:call("stream.info", { stream = "S" }))
    assert.are.equal(120000000000, answer.config.duplicate_window)
    assert.are.equal(0, assert(js:call("account.info", nil, { timeout = 10 })).consumers)
    fails("stream_not_found", 10059, js:call("stream.info", { stream = "NO" }))
end

describe("JetStream management", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    local run = helper.with_jetstream

    for name, case in pairs(cases) do
        it("of " .. name .. ", blocking", function()
            run(case)
        end)
        it("of " .. name .. ", in a task", function()
            loop.run(run, case)
        end)
    end

    it("lets other tasks run", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local js <close> = assert(nc:jetstream { domain = "elsewhere", timeout = 20 })
            local server <close> = assert(nc:subscribe("$JS.elsewhere.API.>"))
            local done = 0
            for i = 1, 20 do
                loop.spawn(function()
                    assert.are.equal(i, assert(js:call("stream.message.get", { stream = "S" .. i })).number)
                    done = done + 1
                end)
            end
            local asked = {}
            for _ = 1, 20 do
                asked[#asked + 1] = assert(server:next(10))
            end
            assert.are.equal(0, done)
            for i = 20, 1, -1 do
                asked[i]:respond(('{"number":%s}'):format(asked[i].subject:match("(%d+)$")))
            end
            while done < 20 do
                loop.sleep(0.01)
            end
        end)
        nats.set_scheduler(nil)
    end)

    it("lists 1,100 streams exactly", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream { timeout = 60 })
        for _, name in ipairs(assert(js:stream_names())) do
            assert(js:delete_stream(name))
        end
        for i = 1, 1100 do
            assert(js:add_stream { name = ("N%04d"):format(i), subjects = { ("n.%d"):format(i) }, storage = "memory" })
        end
        local names = assert(js:stream_names())
        table.sort(names)
        local infos = assert(js:streams())
        table.sort(infos, function(a, b)
            return a.config.name < b.config.name
        end)
        assert.are.equal(1100, #names)
        assert.are.equal(1100, #infos)
        for i = 1, 1100 do
            assert.are.equal(("N%04d"):format(i), names[i])
            assert.are.equal(names[i], infos[i].config.name)
            assert.are.equal("n." .. i, infos[i].config.subjects[1])
            assert.are.equal(120, infos[i].config.duplicate_window)
        end
        assert.are.equal("N0777", js:find_stream("n.777"))
        for i = 1, 1100 do
            assert(js:delete_stream(names[i]))
        end
    end)

    it("raises for misuse, before anything is sent", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        local sent = nc:stats().out_msgs
        helper.raises("holds a blank", js.stream_info, js, "a b")
        helper.raises("stream_info", js.stream_info, js, "a.b")
        helper.raises("string expected", js.stream_info, js)
        helper.raises("string expected", js.stream_info, js, 5)
        helper.raises("unknown option 'subject_filter' (known: timeout subjects_filter", js.stream_info, js, "S",
            { subject_filter = ">" })
        helper.raises("unknown option 'seq' (known: timeout)", js.delete_stream, js, "S", { seq = 5 })
        helper.raises("table expected", js.stream_info, js, "S", 5)
        helper.raises("timeout: number of seconds expected", js.stream_info, js, "S", { timeout = "5" })
        helper.raises("boolean expected at /deleted_details", js.stream_info, js, "S", { deleted_details = 1 })
        helper.raises("table expected", js.add_stream, js, "S")
        helper.raises("name", js.add_stream, js, {})
        helper.raises("number expected", js.delete_msg, js, "S", "x")
        helper.raises("seconds since 1970", js.pause_consumer, js, "S", "c", {})
        helper.raises("table expected", js.add_consumer, js, "S")
        helper.raises('is "stream.info" meant?', js.call, js, "stream.inf")
        helper.raises("argument stream is missing", js.call, js, "stream.info")
        helper.raises("JSON has no function", js.call, js, "stream.info", { stream = print })
        helper.raises("natskit.js expected", js.stream_info, nc, "S")
        helper.raises("domain", nc.jetstream, nc, { domain = "a.b" })
        helper.raises("did you mean \"domain\"", nc.jetstream, nc, { domian = "a" })
        helper.raises("prefix", nc.jetstream, nc, { prefix = 5 })
        helper.raises("timeout", nc.jetstream, nc, { timeout = "5" })
        assert.are.equal(sent, nc:stats().out_msgs)
    end)

    it("leaves the caller's tables as they are", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        assert(js:add_stream { name = "S", subjects = { "s.*" } })
        local config = { durable_name = "c" }
        assert(js:add_consumer("S", config))
        assert.are.same({ durable_name = "c" }, config)
        local change = { max_deliver = 5 }
        assert(assert(js:consumer("S", "c")):update(change))
        assert.are.same({ max_deliver = 5 }, change)
        assert(js:delete_stream("S"))
    end)

    it("knows domains, prefixes, deadlines and ends", function()
        local nc <close> = helper.connect()
        local elsewhere <close> = assert(nc:jetstream { domain = "none", timeout = 5 })
        helper.fails("js_not_enabled", elsewhere:account_info())
        local spelled <close> = assert(nc:jetstream { prefix = "$JS.API" })
        assert(spelled:account_info())
        local long <close> = assert(nc:jetstream { api_prefix = "$JS.API", timeout_ms = 150 })
        helper.server:pause()
        local took = helper.timed(function()
            helper.fails("timeout", long:account_info())
        end)
        assert.is_true(took >= 0.14 and took < 20, took)
        took = helper.timed(function()
            helper.fails("timeout", spelled:account_info({ timeout = 0.05 }))
        end)
        assert.is_true(took < 20, took)
        helper.server:resume()
        assert(spelled:account_info({ timeout = 10 }))
        assert.truthy(tostring(spelled):find("natskit.js: ", 1, true))
        assert.is_true(spelled:close())
        assert.is_true(spelled:close())
        assert.truthy(tostring(spelled):find("natskit.js (closed)", 1, true))
        helper.fails("closed", spelled:account_info())
        helper.fails("closed", spelled:stream("S"))
        nc:close()
        helper.fails("closed", long:account_info())
        helper.fails("closed", nc:jetstream())
    end)

    it("waits for room in the outbox", function()
        local function full(nc)
            helper.server:pause()
            for _, size in ipairs { 60000, 1000, 1 } do
                local payload = ("x"):rep(size)
                local refused = 0 -- a second long without a break: the engine may have had no turn in a part of it
                while refused < 4 do
                    refused = nc:publish("full", payload, { timeout = 0.3 }) and 0 or refused + 1
                end
            end
        end
        local function try()
            local nc <close> = helper.connect({ outbox_bytes = 262144 })
            local js <close> = assert(nc:jetstream { timeout = 20 })
            full(nc)
            helper.fails("timeout", js:account_info { timeout = 0.1 })
            local child = io.popen(("sleep 0.3; kill -CONT %d"):format(helper.server:pid()))
            assert(js:account_info())
            child:close()
        end
        try()
        loop.run(try)
        nats.set_scheduler(nil)
    end)
end)
