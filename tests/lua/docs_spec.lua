-- Three lists of the same names must agree: what the module has, what the files of library/ annotate, and what
-- README.md documents; options too, against the library's own table. And the examples run.
local helper = require "helper"
local nats = require "natskit"

local function read(path)
    local file = assert(io.open(helper.root .. "/" .. path))
    local text = file:read("a")
    file:close()
    return text
end

local function sorted(set)
    local list = {}
    for name in pairs(set) do
        list[#list + 1] = name
    end
    table.sort(list)
    return list
end

-- Names of the functions of the module and of the methods of each type, as "nats.connect", "sub:next".
local function functions_of_the_module()
    local set = {}
    for name, value in pairs(nats) do
        if name ~= "json" and name ~= "nkeys" and name ~= "jwt" then
            assert.are.equal("function", type(value), name)
            set["nats." .. name] = true
        end
    end
    for name, value in pairs(nats.json) do
        if name ~= "null" then
            assert.are.equal("function", type(value), name)
            set["nats.json." .. name] = true
        end
    end
    for _, part in ipairs { "nkeys", "jwt" } do
        for name in pairs(nats[part]) do
            set["nats." .. part .. "." .. name] = true
        end
    end
    local registry = debug.getregistry()
    local prefixes = {
        conn = "nc", sub = "sub", msg = "msg", headers = "h", js = "js", stream = "stream", consumer = "consumer",
        publisher = "pub", kv = "kv", entry = "entry", service = "service", batch = "batch", ingest = "fast",
        object_store = "store", object_writer = "writer", object_reader = "reader",
    }
    for kind, prefix in pairs(prefixes) do
        local meta = registry["natskit." .. kind]
        for name, value in pairs(meta.fields or meta.__index) do
            if type(value) == "function" then
                set[prefix .. ":" .. name] = true
            end
        end
    end
    return set
end

local function fields_of(kind)
    local set = {}
    for name, value in pairs(debug.getregistry()["natskit." .. kind].fields) do
        if type(value) ~= "function" then
            set[name] = true
        end
    end
    return set
end

describe("the documents", function()
    local annotations = read("bindings/lua/library/natskit.lua") .. "\n" ..
        read("bindings/lua/library/natskit_jetstream.lua") .. "\n" ..
        read("bindings/lua/library/natskit_push.lua") .. "\n" ..
        read("bindings/lua/library/natskit_keys.lua") .. "\n" ..
        read("bindings/lua/library/natskit_kv.lua") .. "\n" ..
        read("bindings/lua/library/natskit_object.lua") .. "\n" ..
        read("bindings/lua/library/natskit_service.lua") .. "\n" ..
        read("bindings/lua/library/natskit_batch.lua") .. "\n" ..
        read("bindings/lua/library/natskit_stored.lua") .. "\n" ..
        read("bindings/lua/library/natskit_dump.lua")
    local readme = read("bindings/lua/README.md")

    it("name every function", function()
        local module = functions_of_the_module()
        local annotated, documented = {}, {}
        local prefixes = {
            nats = "nats.", conn = "nc:", sub = "sub:", msg = "msg:", headers = "h:", js = "js:", stream = "stream:",
            consumer = "consumer:", publisher = "pub:", kv = "kv:", entry = "entry:", service = "service:",
            batch = "batch:", ingest = "fast:",
            store = "store:", writer = "writer:", reader = "reader:",
        }
        for kind, name in annotations:gmatch("\nfunction (%a+)[.:]([%w_]+)%(") do
            annotated[prefixes[kind] .. name] = true
        end
        for name in annotations:gmatch("\nfunction (nats%.%w+%.[%w_]+)%(") do
            annotated[name] = true
        end
        for name in readme:gmatch("\n| `(nats%.[%w_.]+)%(") do
            documented[name] = true
        end
        for name in readme:gmatch("\n| `(%a+:[%w_]+)%(") do
            documented[name] = true
        end
        assert.are.same(sorted(module), sorted(annotated))
        assert.are.same(sorted(module), sorted(documented))
        assert.is_true(#sorted(module) > 25)
    end)

    it("name every field of a message and a subscription", function()
        for _, kind in ipairs { "msg", "sub", "stream", "consumer", "kv", "entry", "service" } do
            local fields = fields_of(kind)
            local annotated = {}
            local class = annotations:match("%-%-%-@class natskit%." .. kind .. "\n(.-)\nlocal " .. kind)
            for name in class:gmatch("%-%-%-@field ([%w_]+)") do
                annotated[name] = true
            end
            assert.are.same(sorted(fields), sorted(annotated))
            for name in pairs(fields) do
                assert.truthy(readme:find("`" .. kind .. "." .. name .. "`", 1, true), name)
            end
        end
    end)

    it("name every option of the library", function()
        local classes = {
            CONNECT = "ConnectOptions", SUBSCRIBE = "SubscribeOptions", EVENTS = "EventOptions",
            REQUEST = "RequestOptions", REQUEST_MANY = "RequestManyOptions",
            USER_JWT = "IssueUserOptions", AUTH = "Credentials", JETSTREAM = "JetStreamOptions",
            FETCH = "FetchOptions", CONSUME = "ConsumeOptions", PUBLISHER = "PublisherOptions",
            KV = "KvOptions", KV_SWEEP = "KvSweepOptions", KV_MANY = "KvManyOptions",
            KV_WATCH = "WatchOptions", ORDERED = "OrderedOptions", SERVICE = "ServiceOptions",
            BATCH = "AtomicBatchOptions", INGEST = "IngestOptions",
            GET_BATCH = "GetBatchOptions", GET_LAST = "LastOptions",
            OBJECT_PUT = "ObjectPutOptions", OBJECT_WATCH = "ObjectWatchOptions",
            PUSH = "PushOptions",
        }
        local row = '\nOPTION%(([%u_]+), [%w_]+, (%u+), "([%w_]+)"'
        local count = 0
        for scope, kind, name in read("core/options/options.def"):gmatch(row) do
            local class = annotations:match("%-%-%-@class natskit%." .. classes[scope] .. "\n(.-)\n\n")
            local seconds = kind == "DURATION" and name:gsub("_ms$", "") or nil
            for _, form in ipairs { name, seconds } do
                assert.truthy(class:find("@field " .. form .. "? ", 1, true), scope .. " " .. form)
                assert.truthy(readme:find("`" .. form .. "`", 1, true), form)
                count = count + 1
            end
        end
        assert.is_true(count > 20)
    end)

    it("name every word of a choice, and what is no option of the library", function()
        -- Those of push consumers (scope PUSH) are words of the configuration, where others have the same names.
        local row = '\nOPTION%([CP][%u_]-[^H], [%w_]+, CHOICE, "([%w_]+)", "(%w*)", "([%w|]+)"'
        local count = 0
        local own = { acks = "failures" } -- defaults that are not the library's
        for name, default, words in read("core/options/options.def"):gmatch(row) do
            default = own[name] or default
            local line = annotations:match("%-%-%-@field " .. name .. "%? ([^\n]+)")
            assert.truthy(line:find('"' .. words:gsub("|", '"|"') .. '" ', 1, true), name)
            assert.truthy(line:find('("' .. default .. '")', 1, true), name)
            local documented = readme:match("\n| `" .. name .. "` | `\"" .. default .. "\"` |([^\n]+)")
            assert.truthy(documented, name)
            for word in words:gmatch("%w+") do
                assert.truthy(documented:find('`"' .. word .. '"`', 1, true), name .. " " .. word)
            end
            count = count + 1
        end
        assert.is_true(count >= 2)
        for _, name in ipairs { "auth", "reconnect_delay" } do
            assert.truthy(annotations:find("@field " .. name .. "? fun", 1, true))
            assert.truthy(readme:find("\n| `" .. name .. "` |", 1, true))
        end
    end)

    it("name every type of event", function()
        local names = read("bindings/lua/src/msg.c"):match("event_names%[%] = {(.-)}")
        local types = {}
        for name in read("capi/include/natskit.h"):gmatch("#define NATSKIT_EVENT_([%u_]+) ") do
            types[#types + 1] = name:lower()
        end
        local i = -1 -- the first is for unknown types
        for name in names:gmatch('"([%w_]+)"') do
            i = i + 1
            assert.are.equal(i == 0 and "unknown" or types[i], name)
            if i > 0 then
                assert.truthy(annotations:find('"' .. name .. '"', 1, true), name)
                assert.truthy(readme:find('`"' .. name .. '"`', 1, true), name)
            end
        end
        assert.are.equal(#types, i)
    end)

    it("name every type of status", function()
        local names = read("bindings/lua/src/msg.c"):match("status_names%[%] = {(.-)}")
        local types = { [0] = "unknown" }
        for name in read("capi/include/natskit.h"):gmatch("#define NATSKIT_STATUS_([%u_]+) ") do
            types[#types + 1] = name:lower()
        end
        local i = -1
        for name in names:gmatch('"([%w_]+)"') do
            i = i + 1
            assert.are.equal(types[i], name)
            assert.truthy(annotations:find('"' .. name .. '"', 1, true), name)
            assert.truthy(readme:find('`"' .. name .. '"`', 1, true), name)
        end
        assert.are.equal(#types, i)
    end)

    it("name every field of a configuration as the table has it", function()
        local config = read("bindings/lua/library/natskit_config.lua")
        local count = 0
        for name in read("core/jetstream/fields.def"):gmatch("\nFIELD%(%w+, ([%w_]+),") do
            assert.truthy(config:find("@field " .. name .. "? ", 1, true), name)
            count = count + 1
        end
        assert.is_true(count > 80)
    end)

    it("name every field of the tables that functions return", function()
        helper.start()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("a"))
        local tables = {
            Counters = nats.counters(), ConnStats = nc:stats(), SubStats = sub:stats(), ConnInfo = nc:info(),
            Status = nats.status("timeout"),
        }
        local js = assert(nc:jetstream())
        assert(js:add_stream { name = "S", subjects = { "s" } })
        assert(js:add_consumer("S", { durable_name = "c" }))
        local pulls = assert(assert(js:consumer("S", "c")):consume())
        local pub = assert(js:publisher())
        tables.PullInfo, tables.PublisherInfo = pulls:pull_info(), pub:info()
        tables.PubAck = assert(js:publish("s"))
        local kv = assert(js:create_kv { bucket = "B" })
        local watch = assert(kv:watch())
        tables.WatchInfo = watch:watch_info()
        for class, values in pairs(tables) do
            local text = annotations:match("%-%-%-@class natskit%." .. class .. "\n(.-)\n\n")
            for name in pairs(values) do
                assert.truthy(text:find("@field " .. name .. " ", 1, true), class .. "." .. name)
                assert.truthy(readme:find("`" .. name .. "`", 1, true), class .. "." .. name)
            end
            for name in text:gmatch("@field ([%w_]+) ") do
                assert.is_not_nil(values[name], class .. "." .. name .. " is annotated and not there")
            end
        end
        nc:close()
        sub:close()
        pulls:close()
        pub:close()
        watch:close()
        kv:close()
        js:close()
        helper.stop()
    end)

    it("name the functions of the adapters of event loops", function()
        for _, adapter in ipairs { "luv", "cqueues", "select" } do
            local found, loop = pcall(require, "natskit.loop." .. adapter)
            assert.is_true(found or adapter ~= "luv", loop)
            for name in pairs(found and loop or {}) do
                assert.truthy(readme:find("`loop." .. name, 1, true), name)
            end
        end
    end)
end)

describe("the examples", function()
    -- Output, then true if the program ended well.
    local function run(name, url)
        local environment = ("NATS_URL=%s LUA_PATH='%s' LUA_CPATH='%s'"):format(url, package.path, package.cpath)
        local program = ("timeout -k 1 20 lua5.4 %s/examples/lua/%s.lua 2>&1"):format(helper.root, name)
        local pipe = assert(io.popen(environment .. " " .. program))
        return pipe:read("a"), pipe:close()
    end

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    for _, name in ipairs { "hello", "pubsub", "queue_group", "request_reply", "handlers", "request_many", "pubsub_luv",
        "request_reply_luv", "drain_luv", "drain", "streams", "work_queue", "consume", "kv_watch", "objects", "replay",
        "push", "kv_cache", "kv_batch", "kv_codec", "direct_get", "service", "batches", "fast_ingest", "tour",
        "headers", "events", "delivery", "losses", "metrics" } do
        it("run: " .. name, function()
            local output, good = run(name, helper.url)
            assert.is_true(good, name .. ": " .. output)
        end)
    end

    it("give out the metrics of the document", function()
        local documented, told = {}, {}
        for name, kind in read("docs/observability.md"):gmatch("\n| `(nats_client_[%w_]+)` | (%l+) |") do
            documented[#documented + 1] = name .. " " .. kind
        end
        local output, good = run("metrics", helper.url)
        assert.is_true(good, output)
        for line in output:gmatch("# TYPE ([^\n]*)\n") do
            told[#told + 1] = line
        end
        table.sort(documented)
        table.sort(told)
        assert.are.same(documented, told)
        assert.truthy(output:find('\nnats_client_sub_pending_messages{subject="metrics.lua.>"} 1\n', 1, true), output)
        assert.truthy(output:find('\nnats_client_sub_up{subject="metrics.lua.\\"quoted\\""} 1\n', 1, true), output)
    end)

    it("fail where there is no server", function()
        local output, good = run("tour", "nats://127.0.0.1:1")
        assert.is_nil(good)
        assert.truthy(output:find("127.0.0.1:1", 1, true), output)
    end)
end)
