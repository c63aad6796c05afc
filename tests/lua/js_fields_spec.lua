-- Every field of the configurations of streams and consumers goes to a real server and comes back as it was.
local helper = require "helper"
local nats = require "natskit"

local LARGE = 2 ^ 53 // 1 | 0
LARGE = math.tointeger(LARGE) + 1 -- no double holds it
local DAYS = 30 * 86400
local MOMENT = "2026-01-02T03:04:05.678901234Z"
local LATER = "2090-01-02T03:04:05.678901Z"
local PUSH = { deliver_subject = "push.here" }
local ORIGIN = { name = "ORIGIN" }

-- Field -> the value, and what else the configuration has to have.
local values = {
    stream = {
        name = { "FIELDS" },
        description = { "für den Leser" },
        subjects = { { "a.*", "b.>" } },
        retention = { "workqueue" },
        max_consumers = { 7 },
        max_msgs = { LARGE },
        max_bytes = { 1000001 },
        max_age = { DAYS },
        max_msgs_per_subject = { LARGE },
        max_msg_size = { 12345 },
        discard = { "new" },
        discard_new_per_subject = { true, { discard = "new", max_msgs_per_subject = 5 } },
        storage = { "memory" },
        num_replicas = { 1 },
        no_ack = { true },
        duplicate_window = { 0.1 },
        placement = { { cluster = "here", tags = { "fast" } } },
        mirror = { { name = "ORIGIN", opt_start_seq = LARGE }, { subjects = false } },
        sources = { { { name = "ORIGIN", filter_subject = "o.x" } } },
        compression = { "s2" },
        first_seq = { LARGE },
        subject_transform = { { src = "s.>", dest = "t.>" } },
        republish = { { src = "s.>", dest = "r.>", headers_only = true } },
        sealed = { true },
        deny_delete = { true },
        deny_purge = { true },
        allow_rollup_hdrs = { true },
        allow_direct = { true },
        mirror_direct = { true, { mirror = ORIGIN, subjects = false } },
        consumer_limits = { { inactive_threshold = DAYS + 0.5, max_ack_pending = 17 } },
        metadata = { { owner = "Ärger", empty = "" } },
        allow_msg_ttl = { true },
        subject_delete_marker_ttl = { 3600, { allow_msg_ttl = true, allow_rollup_hdrs = true } },
        allow_atomic = { true },
        allow_msg_counter = { true },
        allow_msg_schedules = { true },
        persist_mode = { "async" },
        allow_batched = { true },
    },
    consumer = {
        name = { "c1" },
        durable_name = { "d1" },
        description = { "for the reader" },
        deliver_policy = { "last_per_subject", { filter_subject = "s.>" } },
        opt_start_seq = { LARGE, { deliver_policy = "by_start_sequence" } },
        opt_start_time = { MOMENT, { deliver_policy = "by_start_time" } },
        ack_policy = { "all" },
        ack_wait = { 0.1 },
        max_deliver = { 5 },
        backoff = { { 0.1, 0.25, DAYS }, { max_deliver = 4 } },
        filter_subject = { "s.x" },
        filter_subjects = { { "s.x", "s.y" } },
        replay_policy = { "original" },
        rate_limit_bps = { 2.0 ^ 63, PUSH }, -- a float: no integer of Lua is so large
        sample_freq = { "30%" },
        max_waiting = { 77 },
        max_ack_pending = { 78 },
        headers_only = { true },
        max_batch = { 79 },
        max_expires = { 90 },
        max_bytes = { 80000 },
        inactive_threshold = { DAYS + 0.000001 },
        num_replicas = { 1 },
        mem_storage = { true },
        metadata = { { a = "b" } },
        deliver_subject = { "push.here" },
        deliver_group = { "workers", PUSH },
        flow_control = { true, { idle_heartbeat = 5, deliver_subject = "push.here" } },
        idle_heartbeat = { 0.5, PUSH },
        pause_until = { LATER },
        priority_groups = { { "g" }, { priority_policy = "overflow" } },
        priority_policy = { "pinned_client", { priority_groups = { "g" } } },
        priority_timeout = { 120.5, { priority_groups = { "g" }, priority_policy = "pinned_client" } },
    },
    source = {
        name = { "ORIGIN" },
        opt_start_seq = { LARGE },
        opt_start_time = { MOMENT },
        filter_subject = { "o.x" },
        subject_transforms = { { { src = "o.>", dest = "p.>" } } },
        external = { { api = "$JS.hub.API", deliver = "deliver.here" } },
        consumer = { { name = "reader", deliver_subject = "deliver.there" } },
        domain = { "hub" }, -- comes back as external
    },
}
local updated = { sealed = true } -- by an update only

local function rows_of(object)
    local rows = {}
    local file = assert(io.open(helper.root .. "/core/jetstream/fields.def"))
    for name in file:read("a"):gmatch("\nFIELD%(" .. object .. ", ([%w_]+),") do
        rows[#rows + 1] = name
    end
    file:close()
    return rows
end

local function merged(...)
    local result = {}
    for _, part in ipairs { ... } do
        for name, value in pairs(part) do
            result[name] = value or nil
        end
    end
    return result
end

-- What a server told has to hold the value; names of its own in metadata do not count.
local function holds(told, value)
    if type(value) ~= "table" then
        assert.are.equal(math.type(value), math.type(told))
        assert.are.equal(value, told)
        return
    end
    for name, part in pairs(value) do
        holds(told[name], part)
    end
    assert.are.equal(#value, #told)
end

-- The same configuration, but for who last touched it.
local function same(a, b)
    a, b = merged(a), merged(b)
    a.metadata, b.metadata = nil, nil
    assert.are.same(a, b)
end

describe("JetStream fields", function()
    local nc, js

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc = helper.connect()
        js = assert(nc:jetstream { timeout = 20 })
        for _, name in ipairs(assert(js:stream_names())) do
            assert(js:delete_stream(name))
        end
    end)
    after_each(function()
        js:close()
        nc:close()
        helper.nothing_left()
    end)

    for object, fields in pairs(values) do
        it("are all tried: " .. object, function()
            local tried = {}
            for name in pairs(fields) do
                tried[#tried + 1] = name
            end
            local known = rows_of(object)
            table.sort(tried)
            table.sort(known)
            assert.are.same(known, tried)
        end)
    end

    for field, row in pairs(values.stream) do
        it("of a stream: " .. field, function()
            local value, more = row[1], row[2] or {}
            assert(js:add_stream { name = "ORIGIN", subjects = { "o.>" }, allow_direct = true })
            local base = { name = "FIELDS", subjects = { "s.>" } }
            local config = merged(base, more, not updated[field] and { [field] = value } or {})
            local info = assert(js:add_stream(config))
            if updated[field] then
                info = assert(js:update_stream { name = "FIELDS", [field] = value })
            end
            holds(info.config[field], value)
            local asked = assert(js:stream_info("FIELDS")).config
            holds(asked[field], value)
            if not updated[field] then -- what came goes back as it was
                same(asked, assert(js:update_stream(asked)).config)
            end
        end)
    end

    for field, row in pairs(values.consumer) do
        it("of a consumer: " .. field, function()
            local value, more = row[1], row[2] or {}
            assert(js:add_stream { name = "FIELDS", subjects = { "s.>" } })
            local info = assert(js:add_consumer("FIELDS", merged(more, { [field] = value })))
            holds(info.config[field], value)
            local asked = assert(js:consumer_info("FIELDS", info.name)).config
            holds(asked[field], value)
            local again = assert(js:update_consumer("FIELDS", merged(asked, { name = info.name })))
            same(merged(asked, { name = info.name }), again.config)
        end)
    end

    for field, row in pairs(values.source) do
        it("of a source: " .. field, function()
            assert(js:add_stream { name = "ORIGIN", subjects = { "o.>" } })
            local source = merged(ORIGIN, { [field] = row[1] })
            local info = assert(js:add_stream { name = "FIELDS", sources = { source } })
            if field == "domain" then
                source = merged(ORIGIN, { external = { api = "$JS.hub.API" } })
            end
            holds(info.config.sources[1], source)
            holds(assert(js:stream_info("FIELDS")).config.sources[1], source)
        end)
    end

    it("of durations are exact", function()
        local ages = {
            [DAYS] = 2592000000000000, [0.1] = 100000000, [0.3] = 300000000, [1.1] = 1100000000,
            [2592000.1] = 2592000100000000, [100 * 86400 + 0.1] = 8640000100000000, [0.123456789] = 123456789,
            [7.0] = 7000000000, [292 * 365 * 86400] = 292 * 365 * 86400 * 1000000000,
            [1e8 + 0.001] = 100000000001000000,
        }
        for age, ns in pairs(ages) do
            local config = { name = "AGE", subjects = { "age" }, max_age = age, duplicate_window = 0.1 }
            local info = assert(js:create_or_update_stream(config))
            assert.are.equal(age, info.config.max_age)
            assert.are.equal(age % 1 == 0 and "integer" or "float", math.type(info.config.max_age))
            local raw = assert(js:call("stream.info", { stream = "AGE" })).config
            assert.are.equal(ns, raw.max_age)
            assert(js:update_stream(info.config))
            assert.are.equal(ns, js:call("stream.info", { stream = "AGE" }).config.max_age)
        end
        local most = assert(js:call("stream.update", { config = { name = "AGE", max_age = math.maxinteger } }))
        assert.are.equal(math.maxinteger, most.config.max_age)
        assert(js:update_stream(assert(js:stream_info("AGE")).config))
        assert.are.equal(math.maxinteger, js:call("stream.info", { stream = "AGE" }).config.max_age)
    end)

    it("of times are given as text or in seconds", function()
        assert(js:add_stream { name = "T", subjects = { "t" } })
        local times = {
            [0] = "1970-01-01T00:00:00Z", [951782400] = "2000-02-29T00:00:00Z",
            [1767323045.25] = "2026-01-02T03:04:05.25Z", [-0.5] = "1969-12-31T23:59:59.5Z",
            [4102444799] = "2099-12-31T23:59:59Z",
        }
        for seconds, text in pairs(times) do
            local start = { deliver_policy = "by_start_time", opt_start_time = seconds }
            assert.are.equal(text, assert(js:add_consumer("T", start)).config.opt_start_time)
        end
    end)

    it("of sequences are exact", function()
        assert(js:add_stream { name = "LARGE", subjects = { "l" }, first_seq = LARGE })
        for _ = 1, 4 do
            assert(nc:request("l", "x", { timeout = 10 }))
        end
        assert.is_true(js:delete_msg("LARGE", LARGE + 2))
        local state = assert(js:stream_info("LARGE", { deleted_details = true })).state
        assert.are.equal(LARGE, state.first_seq)
        assert.are.equal(LARGE + 3, state.last_seq)
        holds(state.deleted, { LARGE + 2 })
        assert.are.equal(LARGE + 1, assert(js:get_msg("LARGE", { seq = LARGE + 1 })).seq)
        local start = { name = "c", deliver_policy = "by_start_sequence", opt_start_seq = LARGE + 1 }
        local consumer = assert(js:add_consumer("LARGE", start))
        assert.are.equal(LARGE + 1, consumer.config.opt_start_seq)
        assert.are.equal(LARGE, consumer.ack_floor.stream_seq)
        assert.are.equal(3, js:purge_stream("LARGE", { seq = LARGE + 4 }))
        assert.are.equal(LARGE + 4, assert(js:stream_info("LARGE")).state.first_seq)
    end)

    it("that are not known are kept, and told by the server", function()
        helper.fails("js_refused", js:add_stream { name = "U", subjects = { "u" }, not_yet_known = 5 })
        -- A server of the future: it has a field that no table knows, and gives back what it is given.
        local service = helper.service([=[
            local nc = assert(nats.connect(url))
            local sub = assert(nc:subscribe("$JS.future.API.STREAM.*.F"))
            assert(nc:flush())
            print "ready"
            io.stdout:flush()
            assert(sub:next(20)):respond('{"config":{"name":"F","subjects":null,"max_age":1500000000,' ..
                '"new_age":{"deep":[1,null,1500000000],"huge":18446744073709551615,"none":null}}}')
            assert(sub:next(20)):respond('{"config":{"name":"F","subjects":null,"max_age":1500000000,' ..
                '"new_age":{"deep":[1,null,1500000000],"huge":18446744073709551615,"none":null}}}')
            local update = assert(sub:next(20))
            update:respond('{"config":' .. update.data .. '}')
            nc:flush()
        ]=])
        local future <close> = assert(nc:jetstream { domain = "future", timeout = 20 })
        local config = assert(future:stream_info("F")).config
        assert.are.equal(1.5, config.max_age)
        assert.is_nil(config.subjects)
        assert.are.same({ 1, nats.json.null, 1500000000 }, config.new_age.deep)
        local answer = assert(future:call("stream.update", { config = { name = "F", max_msgs = 9 } })).config
        service:close()
        assert.are.same(nats.json.decode('{"name":"F","subjects":null,"max_age":1500000000,"max_msgs":9,"new_age":' ..
            '{"deep":[1,null,1500000000],"huge":18446744073709551615,"none":null}}'), answer)
    end)

    it("that are wrong raise", function()
        local wrong = {
            { { name = 5 }, "string expected at /config/name" },
            { { subjects = "s" }, "list expected at /config/subjects" },
            { { subjects = { 1 } }, "string expected at /config/subjects/1" },
            { { max_msgs = "5" }, "integer expected at /config/max_msgs" },
            { { max_msgs = 0.5 }, "integer expected at /config/max_msgs" },
            { { max_age = "5s" }, "number of seconds expected at /config/max_age" },
            { { max_age = 1e10 }, "292 years" },
            { { max_age = math.huge }, "292 years" },
            { { max_age = 0 / 0 }, "NaN" },
            { { max_age = 1e-10 }, "less than a nanosecond" },
            { { no_ack = 1 }, "boolean expected at /config/no_ack" },
            { { retention = true }, "string expected at /config/retention" },
            { { placement = "here" }, "table expected at /config/placement" },
            { { placement = { tags = "a" } }, "list expected at /config/placement/tags" },
            { { sources = { "A" } }, "table expected at /config/sources/1" },
            { { sources = { { opt_start_time = {} } } }, "time expected at /config/sources/1/opt_start_time" },
            { { consumer_limits = { inactive_threshold = {} } }, "/config/consumer_limits/inactive_threshold" },
        }
        for _, row in ipairs(wrong) do
            helper.raises(row[2], js.add_stream, js, merged({ name = "W", subjects = { "w" } }, row[1]))
        end
        helper.raises("number of seconds expected at /config/backoff/2", js.add_consumer, js, "W",
            { backoff = { 1, "x" } })
        assert.are.same({}, nats.json.array(js:stream_names()))
    end)

    it("may name a source's domain", function()
        local sources = { { name = "A", domain = "hub" }, { name = "B" } }
        local info = assert(js:add_stream { name = "FAR", sources = sources })
        assert.are.equal("$JS.hub.API", info.config.sources[1].external.api)
        assert.is_nil(info.config.sources[2].external)
        sources[1].external = { api = "x" }
        helper.raises("config/sources/0/domain excludes external", js.add_stream, js, { name = "X", sources = sources })
    end)

    it("may be empty lists and tables, and null", function()
        local config = {
            name = "E", subjects = { "e" }, sources = {}, metadata = {}, consumer_limits = {},
            placement = nats.json.null,
        }
        local info = assert(js:add_stream(config))
        assert.is_nil(info.config.placement)
        assert(js:update_stream { name = "E", description = "x", sources = {} })
        info = assert(js:update_stream { name = "E", description = nats.json.null })
        assert.is_nil(info.config.description)
        assert.are.same({ "e" }, info.config.subjects)
    end)
end)
