--- The tasks of adapters whose event loop has no coroutines of its own: see natskit.loop.luv and .select. Not for
-- programs.
--
-- A task is a coroutine that `run` or `spawn` began. In any other coroutine (a generator, say) the functions
-- of natskit block as they do without a loop.

local nats = require "natskit"

local function traceback(err)
    if type(err) == "string" then
        return debug.traceback(err, 2)
    end
    return err
end

--- Adds the functions of a loop to the module `M`; returns it, and what suspends and resumes a task, for adapters that
-- wait for more. The backend:
--- watch(fd, pump)      call `pump` whenever the descriptor is readable, in place of the one before; nil: stop
--- busy(some)           whether tasks wait, so that the loop has to stay alive
--- after(seconds, fn)   call `fn` once; returns a function that prevents it, and is called in every case
--- loop()               run until stop() or nothing is left to do; false for the latter
--- stop()               only called inside of loop()
--- settle()             once `run` is over
return function(M, backend)
    local tasks = {} -- coroutine -> true or the token that it waited for last, until its function has ended
    local waiting = {} -- token -> coroutine
    local timers = {} -- token -> function that ends the timer, for a wait that has an end
    local waits = 0 -- entries of `waiting`
    local failure -- first error of a task, until `run` takes it
    local looping = false -- `run` is inside the loop

    --- Called with (message, coroutine) for an error that no task caught; nil: `run` ends and raises it.
    ---@type fun(message: any, co: thread|nil)|nil
    M.on_error = nil

    -- Ends the wait of a token and returns its coroutine, if it is not over already.
    local function take(token)
        local co = waiting[token]
        if co then
            waiting[token] = nil
            local cancel = timers[token]
            if cancel then
                timers[token] = nil
                cancel()
            end
            waits = waits - 1
            if waits == 0 then
                backend.busy(false)
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
        if waits == 1 then
            backend.busy(true)
        end
        if seconds then
            timers[token] = backend.after(seconds, function()
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
            backend.stop()
        end
    end

    -- An exception in a callback of the loop could end the program, so it goes where the errors of tasks go.
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
        backend.watch(fd, pump)
        backend.busy(waits > 0)
    end

    --- Makes the loop natskit's scheduler. `run` does it by itself; call it if your program runs the loop itself.
    function M.install()
        assert(nats.set_scheduler { wait_fd = wait_fd, suspend = suspend, resume = resume, spawn = M.spawn })
    end

    --- Makes natskit block again. Tasks that are suspended are not resumed any more.
    function M.uninstall()
        nats.set_scheduler(nil)
    end

    -- A task that was closed is none any more, and waits for nothing.
    local Task = {
        __close = function(task)
            take(tasks[task.co])
            tasks[task.co] = nil
        end,
    }

    -- Calls fn(...), which raises nothing, and closes the task. Before Lua 5.4 nothing else can close its coroutine.
    local compile = rawget(_G, "loadstring") or load
    local closing = "local task <close> = ... return select(2, ...)(select(3, ...))"
    local guarded = compile(closing) or function(task, fn, ...)
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

    -- Ends the tasks that are left when `run` is over: their <close> variables are closed (Lua 5.4), nothing resumes
    -- them.
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

    --- Runs `fn(...)` as a task, and the loop until it has ended, and returns its results. Tasks that still wait
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
            local alive = backend.loop()
            looping = false
            if not alive and not results and not failure then
                failure = { "run: the task waits for something that the loop does not know of" }
            end
        end
        abandon()
        M.uninstall()
        backend.settle()
        local raised = failure
        failure = nil
        if raised then
            error(raised[1], 0)
        end
        return table.unpack(results, 1, results.n)
    end

    return M, suspend, resume
end
