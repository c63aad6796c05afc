-- Object stores of a real server: each method right and wrong; blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

local CHUNK = 128 * 1024

local function make(js, more)
    local config = { bucket = "S", storage = "memory" }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    return assert(js:create_object_store(config))
end

-- Chunks that are kept.
local function chunks(js, bucket)
    local name = bucket or "S"
    local info = assert(js:call("stream.info", { stream = "OBJ_" .. name, subjects_filter = "$O." .. name .. ".C.>" }))
    local count = 0
    for _, messages in pairs(info.state.subjects or {}) do
        count = count + messages
    end
    return count
end

local function bytes(size)
    return ("0123456789abcdefghijklmnopqrstuvw"):rep(size // 33 + 1):sub(1, size)
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["stores are made, opened and deleted"] = function(_, js)
    local store = assert(js:create_object_store {
        bucket = "S", ttl = 90.5, storage = "memory", description = "files", max_bytes = 1048576,
        metadata = { owner = "tests" },
    })
    assert.are.equal("S", store.bucket)
    local config = assert(store:status()).config
    assert.are.equal("OBJ_S", config.name)
    assert.are.equal(90.5, config.max_age)
    assert.are.equal("files", config.description)
    assert.is_true(config.allow_rollup_hdrs)
    assert.are.same({ "$O.S.C.>", "$O.S.M.>" }, config.subjects)
    assert(js:open_object_store("S"))
    assert.is_true(js:delete_object_store("S"))
    helper.fails("stream_not_found", js:open_object_store("S"))
    helper.fails("no_stream", store:put("a", "1"))
    helper.fails("stream_not_found", store:put("a", ""))
    assert(store:close())
    assert(store:close())
    helper.fails("closed", store:status())
end

cases["objects of any size"] = function(_, js)
    local store = make(js)
    for _, size in ipairs { 0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 6000000 } do
        local data = bytes(size)
        local info = assert(store:put("a", data))
        assert.are.equal(size, info.size)
        assert.are.equal((size + CHUNK - 1) // CHUNK, info.chunks)
        local got, told = assert(store:get("a"))
        assert.is_true(got == data)
        assert.are.equal(info.digest, told.digest)
        assert.are.equal(info.chunks, chunks(js))
    end
end

cases["functions and files"] = function(_, js)
    local store = make(js)
    local left = { "from ", "a ", "function" }
    assert(store:put("function", function()
        return table.remove(left, 1)
    end))
    assert.are.equal("from a function", (store:get("function")))
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    assert(file:write(bytes(1000000)))
    file:close()
    file = assert(io.open(path, "rb"))
    assert(store:put("file", file))
    file:close()
    file = assert(io.open(path, "wb"))
    local whole, info = store:get("file", { into = file })
    file:close()
    assert.is_true(whole)
    assert.are.equal(1000000, info.size)
    file = assert(io.open(path, "rb"))
    assert.is_true(file:read("a") == bytes(1000000))
    file:close()
    os.remove(path)
    local pieces = {}
    assert(store:get("file", { into = function(piece)
        pieces[#pieces + 1] = piece
    end }))
    assert.is_true(table.concat(pieces) == bytes(1000000))
end

cases["readers and writers"] = function(_, js)
    local store = make(js)
    local data = bytes(500000)
    local writer = assert(store:create("a", { chunk_size = 1000, window_bytes = 4000, description = "d" }))
    for at = 1, #data, 7777 do
        assert(writer:write(data:sub(at, at + 7776)))
    end
    assert.are.equal(500000, (writer:progress()))
    local info = assert(writer:finish())
    assert.are.equal(500, info.chunks)
    assert.are.equal("d", info.description)
    helper.fails("closed", writer:write("x"))
    local reader <close> = assert(store:open("a"))
    assert.are.equal(500000, reader:info().size)
    assert.are.equal(data:sub(1, 10), reader:read(10))
    local rest = {}
    for piece in reader:pieces() do
        rest[#rest + 1] = piece
    end
    assert.is_true(table.concat(rest) == data:sub(11))
    assert.is_nil(reader:read())
    local done, size = reader:progress()
    assert.are.equal(500000, done)
    assert.are.equal(500000, size)
end

cases["what is given up leaves nothing"] = function(_, js)
    local store = make(js)
    assert(store:put("a", "old"))
    local writer = assert(store:create("a"))
    assert(writer:write(bytes(1000000)))
    assert(writer:abort())
    assert(writer:close())
    assert.are.equal(1, chunks(js))
    assert.are.equal("old", (store:get("a")))
    local small = make(js, { bucket = "L", max_bytes = 500000 })
    assert(small:put("a", "old"))
    helper.fails("js_limit", small:put("a", bytes(3000000)))
    assert.are.equal(1, chunks(js, "L"))
    assert.are.equal("old", (small:get("a")))
end

cases["a writer that is dropped leaves nothing"] = function(_, js)
    local store = make(js)
    assert(store:put("a", "old"))
    do
        local writer = assert(store:create("a"))
        assert(writer:write(bytes(8 * CHUNK)))
        while select(2, writer:progress()) < 8 * CHUNK do
            assert(writer:write("")) -- nothing comes later
            helper.sleep(0.01)
        end
        assert.are.equal(9, chunks(js))
    end
    collectgarbage()
    for _ = 1, 400 do
        if chunks(js) == 1 then
            break
        end
        helper.sleep(0.05)
    end
    assert.are.equal(1, chunks(js))
    assert.are.equal("old", (store:get("a")))
end

cases["any size in small pieces"] = function(_, js)
    local store = make(js)
    local data = ("0123456789abcdef"):rep(1 << 19) -- waits 4,000 times for room
    assert(store:put("a", data, { chunk_size = 1000, window_bytes = 2000 }))
    assert.is_true(store:get("a") == data)
end

cases["damage is told"] = function(_, js)
    local store = make(js)
    local info = assert(store:put("a", "12345678", { chunk_size = 4 }))
    local subject = "$O.S.C." .. info.nuid
    assert(js:call("stream.purge", { stream = "OBJ_S", filter = subject, keep = 1 }))
    helper.fails("object_incomplete", store:get("a"))
    assert(js:publish(subject, "abcd"))
    helper.fails("object_corrupt", store:get("a"))
    local reader <close> = assert(store:open("a"))
    helper.raises("digest", function()
        for _ in reader:pieces() do
            assert(true)
        end
    end)
end

cases["what objects are"] = function(_, js)
    local store = make(js)
    local info = assert(store:put("a b/*", "text", {
        description = "d", headers = { A = { "1", "2" } }, metadata = { k = "v" }, previous_revision = 0,
    }))
    helper.fails("wrong_last", store:put("a b/*", "text", { previous_revision = 0 }))
    assert(store:put("a b/*", "text", { previous_revision = info.revision, metadata = { k = "w" } }))
    info = assert(store:info("a b/*"))
    assert.are.same({ k = "w" }, info.metadata)
    assert.is_nil(info.description)
    info = assert(store:update("a b/*", { name = "c", headers = { A = "1" } }))
    assert.are.equal("c", info.name)
    assert.are.same({ A = { "1" } }, info.headers)
    assert.is_true(info.time > 1.7e9)
    helper.fails("object_not_found", store:info("a b/*"))
    assert.is_true(store:delete("c").deleted)
    helper.fails("object_deleted", store:info("c"))
    helper.fails("object_deleted", store:get("c"))
    assert.is_true(store:info("c", { deleted = true }).deleted)
    assert(store:put("d", "1"))
    assert.are.equal(1, #assert(store:list()))
    assert.are.equal(2, #assert(store:list { deleted = true }))
end

cases["stores are changed and listed"] = function(_, js)
    assert.are.same({}, assert(js:object_store_names()))
    local store = make(js)
    assert(store:put("a", "1"))
    assert(make(js, { bucket = "T", description = "as it was" }))
    assert(js:create_kv { bucket = "S", storage = "memory" })
    local names = assert(js:object_store_names { timeout = 5 })
    table.sort(names)
    assert.are.same({ "S", "T" }, names)
    store = assert(js:update_object_store({ bucket = "T", max_bytes = 1000000 }, { timeout = 5 }))
    assert.are.equal("T", store.bucket)
    local config = assert(store:status()).config
    assert.are.equal(1000000, config.max_bytes)
    assert.are.equal("as it was", config.description)
    helper.fails("stream_not_found", js:update_object_store { bucket = "NONE" })
    helper.raises("what", js.update_object_store, js, { bucket = "T", what = 1 })
    helper.raises("what", js.object_store_names, js, { what = 1 })
end

-- One that is put while it is listed comes again: here it stands there twice.
cases["a list has each object once"] = function(_, js)
    local store = make(js)
    assert(store:put("a", "1"))
    assert(store:put("b", "1"))
    local stored = assert(js:get_msg("OBJ_S", { last_by_subj = "$O.S.M.YQ==" }))
    local ack = assert(js:publish("$O.S.M.eA==", stored.data))
    local infos = assert(store:list())
    assert.are.equal(2, #infos)
    assert.are.equal("b", infos[1].name)
    assert.are.equal("a", infos[2].name)
    assert.are.equal(ack.seq, infos[2].revision)
    assert(js:publish("$O.S.M.eQ==", "no object"))
    assert.are.equal(2, #assert(store:list()))
end

cases["links"] = function(_, js)
    local store = make(js)
    local other = make(js, { bucket = "T" })
    assert(other:put("there", "1"))
    assert(store:put("here", "2"))
    assert(store:link("link", "there", "T"))
    assert.are.equal("1", (store:get("link")))
    assert.are.same({ bucket = "T", name = "there" }, store:info("link").link)
    assert(store:link("link", "here"))
    assert.are.equal("2", (store:get("link")))
    helper.fails("object_exists", store:link("here", "there", "T"))
    helper.fails("link_to_link", store:link("again", "link"))
    assert(store:link_store("store", "T"))
    helper.fails("link_to_store", store:get("store"))
end

cases["watches"] = function(_, js)
    local store = make(js)
    assert(store:put("a", "1"))
    local watch <close> = assert(store:watch { marker = true })
    assert.are.equal("a", assert(watch:next(20)).name)
    assert.are.equal("initial_done", assert(watch:next(20)).type)
    assert(store:put("b", "1"))
    assert(store:delete("a"))
    local seen = {}
    for info in watch do
        seen[#seen + 1] = info.name .. tostring(info.deleted)
        if #seen == 2 then
            break
        end
    end
    assert.are.same({ "bfalse", "atrue" }, seen)
end

cases["a sealed store"] = function(_, js)
    local store = make(js)
    assert(store:put("a", "1"))
    assert.is_true(store:seal())
    assert.are.equal("1", (store:get("a")))
    local result, message = store:put("b", "1")
    assert.is_nil(result)
    assert.is_string(message)
end

describe("object stores", function()
    setup(helper.start)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("take little memory, however large an object is", function()
        if (os.getenv("LD_PRELOAD") or ""):find("asan") then
            return -- a sanitizer keeps what was freed
        end
        local mib = tonumber(os.getenv("NATSKIT_OBJECT_MIB") or "64")
        local output, code = helper.child(([[
            local mib = %d
            local function told(field)
                local file <close> = assert(io.open("/proc/self/status"))
                return tonumber(file:read("a"):match(field .. ":%%s+(%%d+)"))
            end
            local function forget_peak()
                local file <close> = assert(io.open("/proc/self/clear_refs", "w"))
                assert(file:write("5"))
            end
            local nc <close> = assert(nats.connect(url))
            local js <close> = assert(nc:jetstream())
            local store <close> = assert(js:create_object_store { bucket = "M" })
            local piece = ("natskit!"):rep(131072)
            forget_peak()
            local idle = told("VmRSS")
            local writer <close> = assert(store:create("large"))
            for _ = 1, mib do
                assert(writer:write(piece))
            end
            assert(writer:finish())
            local put = told("VmHWM") - idle
            forget_peak()
            local reader <close> = assert(store:open("large"))
            local total = 0
            for got in reader:pieces() do
                total = total + #got
            end
            assert(total == mib << 20)
            print(put, told("VmHWM") - idle)
            assert(js:delete_object_store("M"))
        ]]):format(mib), "timeout -k 1 300")
        assert.are.equal(0, code, output)
        local put, got = output:match("^(%-?%d+)%s+(%-?%d+)")
        local most = (mib >= 256 and 32 or 24) * 1024
        assert.is_true(tonumber(put) < most and tonumber(got) < most, output)
        if os.getenv("NATSKIT_OBJECT_MIB") then
            print(("%d MiB: grown by %s and %s KiB"):format(mib, put, got))
        end
    end)

    it("raises for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        helper.raises("bucket", js.object_store, js, "a b")
        helper.raises("string expected", js.object_store, js)
        helper.raises("ttl", js.create_object_store, js, { bucket = "S", ttl = "1h" })
        helper.raises("history", js.create_object_store, js, { bucket = "S", history = 1 })
        local store <close> = assert(js:object_store("S"))
        helper.raises("natskit.object_store expected", store.put, js, "a", "1")
        helper.raises("string, function or file expected", store.put, store, "a", 5)
        helper.raises("name", store.put, store, "", "1")
        helper.raises("did you mean", store.put, store, "a", "1", { chunk_siez = 1 })
        helper.raises("headers", store.put, store, "a", "1", { headers = { a = 1 } })
        helper.raises("unknown option", store.info, store, "a", { show = true })
        helper.raises("name", store.info, store, "")
        helper.raises("bucket", store.link, store, "a", "b", "c.d")
        helper.raises("table expected", store.update, store, "a")
    end)
end)
