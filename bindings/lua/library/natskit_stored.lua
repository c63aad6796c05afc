---@meta _
--- Annotations (LuaCATS) of reading streams without a consumer in the Lua module `natskit`. Never loaded at run time.

--- Options of js:get_batch.
---@class natskit.GetBatchOptions
---@field batch? integer messages at most; 0 all that there are (0)
---@field max_bytes? integer bytes of subjects, headers and data after which it ends; 0 no limit (0)
---@field seq? integer sequence that it begins with, or the next one there is; 0 the first (0)
---@field start_time? string begins with the first message that was stored then or later, as RFC 3339 has it; not with seq
---@field next_by_subj? string subject whose messages come, with wildcards (all)
---@field up_to_seq? integer sequence that it ends with; 0 the last there is (0)
---@field page_msgs? integer messages that are asked for at a time (1024)
---@field page_bytes? integer bytes of them (8388608)
---@field answer? number seconds for each message of an answer; after it the rest is asked for again (5)
---@field answer_ms? integer

--- Options of js:get_last_for.
---@class natskit.LastOptions
---@field subjects? string|string[] subjects whose last messages come (all)
---@field batch? integer messages at most; 0 all (0)
---@field max_bytes? integer bytes of subjects, headers and data after which it ends; 0 no limit (0)
---@field up_to_seq? integer sequence of the snapshot; 0 the present end (0)
---@field up_to_time? string the same as a time, as RFC 3339 has it; not with up_to_seq
---@field page_msgs? integer messages that are asked for at a time (1024)
---@field page_bytes? integer bytes of them (8388608)
---@field answer? number seconds for each message of an answer; after it the rest is asked for again (5)
---@field answer_ms? integer

--- A message as a stream keeps it.
---@class natskit.StoredMsg
---@field stream string that answered, perhaps a mirror
---@field subject string
---@field seq integer
---@field data string
---@field headers? table<string, string[]> name to values
---@field time number seconds since 1970 UTC
---@field time_ns integer the same in nanoseconds
---@field counter? integer|string of a counter: its value; digits where an integer is too small
---@field counter_sources? table<string, table<string, integer|string>> of a counter: what was added up of which stream and subject
---@field pending integer of several: messages that were known to be behind it; else 0

---@class natskit.js
local js = {}

--- A message as the stream keeps it, of any server that has it, a mirror too, which may be a little behind; where the
--- stream does not allow that (allow_direct), of its leader.
---@param stream string
---@param query natskit.MsgQuery
---@return natskit.StoredMsg? msg
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:direct_get(stream, query) end

--- `for msg in js:get_batch("ORDERS", { seq = 5, batch = 100 }) do`: messages of the stream without a consumer, as
--- tables, in its order. None comes twice and none is left out that the stream still holds, also if the connection is lost
--- meanwhile. The loop ends when all that was asked for, or all that there is, has come, and raises if it cannot.
---@param stream string
---@param options? natskit.GetBatchOptions
---@return natskit.sub? sub
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function js:get_batch(stream, options) end

--- The same for the last message of each subject: a snapshot of what the stream holds at one sequence.
---@param stream string
---@param subjects? string|string[] with `*` as a token and `>` as the last one; nil: all
---@param options? natskit.LastOptions
---@return natskit.sub? sub
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function js:get_last_for(stream, subjects, options) end

---@class natskit.stream
local stream = {}

--- A message as the stream keeps it, of any server that has it, a mirror too, which may be a little behind; where the
--- stream does not allow that (allow_direct), of its leader.
---@param query natskit.MsgQuery
---@return natskit.StoredMsg? msg
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:direct_get(query) end

--- `for msg in stream:get_batch({ seq = 5, batch = 100 }) do`: messages of the stream without a consumer, as
--- tables, in its order. None comes twice and none is left out that the stream still holds, also if the connection is lost
--- meanwhile. The loop ends when all that was asked for, or all that there is, has come, and raises if it cannot.
---@param options? natskit.GetBatchOptions
---@return natskit.sub? sub
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function stream:get_batch(options) end

--- The same for the last message of each subject: a snapshot of what the stream holds at one sequence.
---@param subjects? string|string[] with `*` as a token and `>` as the last one; nil: all
---@param options? natskit.LastOptions
---@return natskit.sub? sub
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function stream:get_last_for(subjects, options) end
