-- Services: handlers inside the caller's dispatch, requests as an iterator, statistics, discovery, and an end that
-- loses nothing.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

describe("a service", function()
    local nc, client

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc = helper.connect()
        client = helper.connect()
    end)
    after_each(function()
        nats.on_handler_error(nil)
        nc:close()
        client:close()
        nc, client = nil, nil
        helper.nothing_left()
    end)

    local config = { name = "sums", version = "1.2.3-rc.1" }

    local function open(more)
        local all = {}
        for _, from in ipairs { config, more or {} } do
            for key, value in pairs(from) do
                all[key] = value
            end
        end
        return assert(nc:service(all))
    end

    --- Publishes with an inbox for replies, has handlers called, and gives the replies in their order.
    local function ask(subject, list)
        local inbox = client:new_inbox()
        local replies = assert(client:subscribe(inbox))
        for _, data in ipairs(list) do
            assert(client:publish(subject, data, { reply = inbox }))
        end
        assert(client:flush())
        local got = {}
        while #got < #list do
            nats.dispatch(0.01)
            assert(nc:flush())
            got[#got + 1] = replies:next(0.05)
        end
        replies:close()
        return got
    end

    --- What is answered on a subject of discovery, by the library alone.
    local function told(subject)
        return assert(assert(client:request(subject)):json())
    end

    it("tells what it is at all levels", function()
        local service = open { description = 'says "no"\n', metadata = { k = 'v"' }, queue_group = false }
        local v1 = assert(service:group { prefix = "v1", queue_group = "g" })
        local deep = assert(service:group { prefix = "deep", parent = v1 })
        assert.are.equal(1, assert(service:endpoint("first")))
        assert(service:endpoint { name = "second", subject = "s.*", group = deep, metadata = { a = "b" } })
        assert.are.equal(3, assert(service:endpoint { name = "third", group = v1, queue_group = false }))
        assert(service:data(1, { load = { 0.5, '"' } }))
        assert(nc:flush())
        local info = assert(service:info())
        assert.are.equal('says "no"\n', info.description)
        assert.are.same({ k = 'v"' }, info.metadata)
        local list = {}
        for i, one in ipairs(info.endpoints) do
            list[i] = { one.name, one.subject, one.queue_group }
        end
        assert.are.same({
            { "first", "first", "" }, { "second", "v1.deep.s.*", "g" }, { "third", "v1.third", "" },
        }, list)
        assert.are.same({ a = "b" }, info.endpoints[2].metadata)
        for verb, own in pairs { PING = service:ping(), INFO = info, STATS = service:stats() } do
            for _, level in ipairs { "", ".sums", ".sums." .. own.id } do
                assert.are.same(own, told("$SRV." .. verb .. level))
            end
            assert.are.equal("io.nats.micro.v1." .. verb:lower() .. "_response", own.type)
        end
        assert.are.same({ load = { 0.5, '"' } }, service:stats().endpoints[1].data)
        assert(service:data(1, nil))
        assert.is_nil(service:stats().endpoints[1].data)
        assert(service:close())
        assert.has_error(function()
            service:info()
        end, "the service was closed")
    end)

    it("refuses what is wrong", function()
        local function raises(text, fn, ...)
            local ok, message = pcall(fn, ...)
            assert.is_false(ok)
            assert.is_truthy(tostring(message):find(text, 1, true), message)
        end
        raises("name", nc.service, nc, { name = "a b", version = "1.0.0" })
        raises("semantic", nc.service, nc, { name = "a", version = "1" })
        raises("nam", nc.service, nc, { nam = "a", version = "1.0.0" })
        raises("on_error", nc.service, nc, { name = "a", version = "1.0.0", on_error = 3 })
        raises("ends with >", function()
            open():group("a.>")
        end)
        local service = open()
        raises("subject", service.endpoint, service, { name = "a", subject = "b c" })
        raises("handler", service.endpoint, service, { name = "a", handler = 3 })
        raises("unknown option 'x'", service.endpoint, service, { name = "a", x = 3 })
        raises("group", service.endpoint, service, { name = "a", group = "x" })
        assert(service:endpoint("a", print))
        raises("handlers, or none", service.endpoint, service, "b")
        raises("service", client.discover, client, "services")
        local inbox = assert(client:subscribe("plain"))
        assert(client:publish("plain", "x"))
        local msg = assert(inbox:next(20))
        raises("requests of a service", msg.respond_error, msg, 1, "x")
        raises("no request", msg.handled, msg)
        assert.is_nil((msg:service_error()))
        assert.is_nil(msg.endpoint)
        assert(service:stop())
        helper.eventually(function()
            return nats.dispatch(0) == 0 and service.requests:reason()
        end)
        local none, _, code = service:endpoint("late", print)
        assert.is_nil(none)
        assert.are.equal("closed", code)
    end)

    it("calls handlers, answers what they raise, and counts", function()
        local errors = {}
        local service = open { on_error = function(message)
            errors[#errors + 1] = message
        end }
        local h = assert(service:group("h"))
        local function add(name, handler)
            assert(service:endpoint { name = name, group = h, handler = handler })
        end
        add("echo", function(request)
            assert(request.kind == "request" and request.endpoint == "echo" and request.group == "h")
            assert(request:respond(request.data, { headers = { X = "y" } }))
        end)
        add("refuses", function(request)
            assert(request:respond_error(409, 'not "now"\r\nplease', "why", { headers = { X = "y" } }))
        end)
        add("chooses", function()
            error { code = 404, description = "no such\nthing" }
        end)
        add("breaks", function()
            error "it broke"
        end)
        add("quiet", function(request)
            assert(request.reply == nil)
        end)
        assert(nc:flush())
        assert.are.equal("x", ask("h.echo", { "x" })[1].data)
        local reply = ask("h.refuses", { "" })[1]
        local text, code = reply:service_error()
        assert.are.same({ 'not "now"  please', 409, "why", "y" }, { text, code, reply.data, reply:header("X") })
        text, code = ask("h.chooses", { "" })[1]:service_error()
        assert.are.same({ "no such thing", 404 }, { text, code })
        text, code = ask("h.breaks", { "" })[1]:service_error()
        assert.are.equal(500, code)
        assert.is_truthy(text:find("it broke", 1, true))
        assert.is_nil(text:find("traceback", 1, true))
        assert.are.equal(1, #errors)
        assert.is_truthy(errors[1]:find("traceback", 1, true))
        local endpoint = 0
        for _, chosen in ipairs { 0, -1, 404.5, 2 ^ 40 } do -- none that an answer can have
            endpoint = endpoint + 1
            add("bad" .. endpoint, function()
                error { code = chosen, description = "nope" }
            end)
            assert(nc:flush())
            local _, given = ask("h.bad" .. endpoint, { "" })[1]:service_error()
            assert.are.equal(500, given)
        end
        assert(client:publish("h.quiet", ""))
        assert(client:flush())
        helper.eventually(function()
            return nats.dispatch(0.01) > 0
        end)
        local counts = {}
        for _, one in ipairs(service:stats().endpoints) do
            counts[one.name] = { one.num_requests, one.num_errors }
            assert.is_true(one.processing_time > 0)
        end
        for i = 1, endpoint do
            assert.are.same({ 1, 1 }, counts["bad" .. i])
            counts["bad" .. i] = nil
        end
        assert.are.same({
            echo = { 1, 0 }, refuses = { 1, 1 }, chooses = { 1, 1 }, breaks = { 1, 1 }, quiet = { 1, 0 },
        }, counts)
        assert.are.equal('409:not "now"\r\nplease', service:stats().endpoints[2].last_error)
        assert(service:reset())
        assert.are.equal(0, service:stats().endpoints[1].num_requests)
        assert(service:close())
    end)

    it("gives requests to an iterator", function()
        local service = open()
        assert(service:endpoint("loop"))
        assert(nc:flush())
        local inbox = client:new_inbox()
        local replies = assert(client:subscribe(inbox))
        for i = 1, 100 do
            assert(client:publish("loop", tostring(i), { reply = inbox }))
        end
        assert(client:flush())
        assert(service:stop())
        local count = 0
        for request in service.requests:messages() do
            assert.are.equal("loop", request.endpoint)
            assert(request:respond(request.data))
            count = count + 1
        end
        assert.are.equal(100, count)
        assert(nc:flush())
        for i = 1, 100 do
            assert.are.equal(tostring(i), assert(replies:next(20)).data)
        end
        assert.are.equal(100, service:stats().endpoints[1].num_requests)
        replies:close()
        service:close()
    end)

    it("answers under load through reconnects, with exact statistics, and ends without a loss", function()
        local handled, failed, answered, faults = 0, 0, 0, 0
        local service = open()
        assert(service:endpoint("load", function(request)
            handled = handled + 1
            if handled % 10 == 0 then
                failed = failed + 1
                error { code = 500, description = "tenth" }
            end
            assert(request:respond(request.data))
        end))
        assert(nc:flush())
        loop.run(function()
            local number = 0
            while number < 600 do
                local reply, _, code = client:request("load", tostring(number), { timeout = 0.3 })
                if reply then
                    answered = answered + 1
                    number = number + 1
                    if number % 200 == 100 then
                        assert(nc:reconnect())
                    end
                elseif code ~= "timeout" and code ~= "no_responders" then
                    faults = faults + 1
                    break
                end
            end
            assert(service:drain(20))
        end)
        assert.are.equal(0, faults)
        assert.are.equal(600, answered)
        assert.is_true(nc:stats().reconnects >= 3)
        local endpoint = service:stats().endpoints[1]
        assert.are.same({ handled, failed }, { endpoint.num_requests, endpoint.num_errors })
        assert.is_true(handled >= answered)
        service:close()
    end)

    it("is found, and others are", function()
        local twins = { open { name = "twin" }, open { name = "twin" } }
        local other = open { name = "other", prefix = "tools" }
        assert(nc:flush())
        local ids = {}
        for one in client:discover("ping", { stall = 2, max_wait = 60 }) do -- a busy machine may be slow
            ids[one.id] = one.name
        end
        assert.are.same({ [twins[1]:ping().id] = "twin", [twins[2]:ping().id] = "twin" }, ids)
        local id = twins[1]:ping().id
        local infos = {}
        for one in client:discover("info", { name = "twin", id = id, max_msgs = 1 }) do
            infos[#infos + 1] = one
        end
        assert.are.same({ twins[1]:info() }, infos)
        for one in client:discover("stats", { prefix = "tools", max_msgs = 1, max_wait = 20 }) do
            assert.are.same(other:stats(), one)
        end
        for _ in client:discover("ping", { name = "nobody" }) do
            error "somebody answered"
        end
        for _, one in ipairs { twins[1], twins[2], other } do
            one:close()
        end
    end)

    it("passes over answers that are none", function()
        local service = open()
        local questions = assert(nc:subscribe("$SRV.INFO"))
        assert(nc:flush())
        local wrong = {
            '{"id": "c", "name": "c",","version": "1.0.0"}', "", "[]", "3", '{"id": "c", "name": "c"}',
            '{"id": "c", "name": "c", "version": 1}', ("["):rep(100000),
        }
        local next_one, _, _, answers = client:discover("info", { max_wait = 60, max_msgs = #wrong + 2 })
        local question = assert(questions:next(20))
        for _, text in ipairs(wrong) do
            assert(question:respond(text))
        end
        assert(question:respond('{"id": "b", "name": "bare", "version": "1.0.0", "new": 1}'))
        local found = {}
        for one in next_one do
            found[one.name] = one
        end
        assert.are.same(service:info(), found.sums)
        assert.are.same({ id = "b", name = "bare", version = "1.0.0", new = 1 }, found.bare)
        assert.are.equal(#wrong, answers:stats().handler_errors)
        answers:close()
        questions:close()
        service:close()
    end)
end)
