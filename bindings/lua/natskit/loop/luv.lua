--- Coroutines over luv (libuv): what waits in natskit suspends its task instead of the program.
--
--     local loop = require "natskit.loop.luv"
--     loop.run(function()
--         local nc = assert(nats.connect())
--         loop.spawn(function() ... end)
--     end)
--
-- A task is a coroutine that `run` or `spawn` began. In any other coroutine (a generator, say) the functions
-- of natskit block as they do without a loop. An error in a task ends `run` and is raised there, unless
-- `on_error` is set.

local nats = require "natskit"
local uv = require "luv"

local M = {}

--- Called with (message, coroutine) for an error that no task caught; nil: `run` ends and raises it.
---@type fun(message: any, co: thread|nil)|nil
M.on_error = nil

local tasks = {} -- coroutine -> true or the token that it waited for last, until its function has ended
local waiting = {} -- token -> coroutine
local timers = {} -- token -> handle, for a wait that has an end
local waits = 0 -- entries of `waiting`; while there are some the loop has to stay alive
local poll -- handle that watches natskit's descriptor
local failure -- first error of a task, until `run` takes it
local looping = false -- `run` is inside luv's loop

-- Ends the wait of a token and returns its coroutine, if it is not over already.
local function take(token)
    local co = waiting[token]
    if co then
        waiting[token] = nil
        local timer = timers[token]
        if timer then
            timers[token] = nil
            timer:stop()
            timer:close()
        end
        waits = waits - 1
        if waits == 0 and poll then
            poll:unref()
        end
    end
    return co
end

-- Errors of a task are caught inside it, so what comes back here can only be the end of the coroutine.
local function resume(token)
    local co = take(token)
    if co then
        coroutine.resume(co)
    end
end

local function suspend(token, seconds)
    local co, main = coroutine.running()
    if main or not tasks[co] then
        return false
    end
    tasks[co] = token
    waiting[token] = co
    waits = waits + 1
    if waits == 1 and poll then
        poll:ref()
    end
    if seconds then
        local timer = uv.new_timer()
        timers[token] = timer
        timer:start(math.ceil(seconds * 1000), 0, function()
            resume(token)
        end)
    end
    coroutine.yield()
    take(token) -- should somebody have resumed it without being asked
    return true
end

-- Makes `run` look at what has happened.
local function leave_loop()
    if looping then
        uv.stop()
    end
end

-- An exception in a callback of luv would end the program, so it goes where the errors of tasks go.
local function report(err, co)
    if M.on_error then
        M.on_error(err, co)
    elseif failure == nil then
        failure = { err }
        leave_loop()
    end
end

local function pump()
    local ok, err = xpcall(nats.pump, debug.traceback)
    if not ok then
        report(err)
    end
end

local function wait_fd(fd)
    if poll then
        poll:stop()
        poll:close()
        poll = nil
    end
    if fd then
        poll = uv.new_poll(fd)
        poll:start("r", pump)
        if waits == 0 then
            poll:unref()
        end
    end
end

--- Makes luv natskit's scheduler. `run` does it by itself; call it if your program runs the loop itself.
function M.install()
    assert(nats.set_scheduler { wait_fd = wait_fd, suspend = suspend, resume = resume, spawn = M.spawn })
end

--- Makes natskit block again. Tasks that are suspended are not resumed any more.
function M.uninstall()
    nats.set_scheduler(nil)
end

local function traceback(err)
    if type(err) == "string" then
        return debug.traceback(err, 2)
    end
    return err
end

-- A task that was closed is none any more, and waits for nothing.
local Task = {
    __close = function(task)
        take(tasks[task.co])
        tasks[task.co] = nil
    end,
}

-- Calls fn(...), which raises nothing, and closes the task; before Lua 5.4 nothing can close its coroutine meanwhile.
local compile = rawget(_G, "loadstring") or load
local guarded = compile("local task <close> = ... return select(2, ...)(select(3, ...))") or function(task, fn, ...)
    fn(...)
    Task.__close(task)
end

--- Begins a task: runs `fn(...)` until it waits for the first time, and returns its coroutine.
---@param fn fun(...)
---@param ... any
---@return thread
function M.spawn(fn, ...)
    local co
    local function body(...)
        local ok, err = xpcall(fn, traceback, ...)
        if not ok then
            report(err, co)
        end
    end
    co = coroutine.create(guarded)
    tasks[co] = true
    coroutine.resume(co, setmetatable({ co = co }, Task), body, ...)
    return co
end

--- Suspends the running task for a time; the other tasks go on.
---@param seconds number
function M.sleep(seconds)
    if not suspend({}, seconds) then
        error("sleep: only a task that was begun with spawn or run can sleep", 2)
    end
end

-- Ends the tasks that are left when `run` is over: their <close> variables are closed (Lua 5.4), nothing resumes them.
local function abandon()
    local co = next(tasks)
    while co do
        take(tasks[co])
        tasks[co] = nil
        if coroutine.close and coroutine.status(co) == "suspended" then
            coroutine.close(co)
        end
        co = next(tasks)
    end
end

--- Runs `fn(...)` as a task, and luv's loop until it has ended, and returns its results. Tasks that still wait
-- then are closed. An error of any task is raised here.
---@param fn fun(...): ...
---@param ... any
---@return any ...
function M.run(fn, ...)
    if next(tasks) then
        error("run: tasks run already; use spawn", 2)
    end
    M.install()
    local results
    failure = nil
    M.spawn(function(...)
        results = table.pack(fn(...))
        leave_loop()
    end, ...)
    while not results and not failure do
        looping = true
        local alive = uv.run("default")
        looping = false
        if not alive and not results and not failure then
            failure = { "run: the task waits for something that luv does not know of" }
        end
    end
    abandon()
    M.uninstall()
    uv.run("nowait") -- luv does not bear to be unloaded while handles are being closed
    local raised = failure
    failure = nil
    if raised then
        error(raised[1], 0)
    end
    return table.unpack(results, 1, results.n)
end

return M
