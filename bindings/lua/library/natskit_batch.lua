---@meta natskit
--- Annotations (LuaCATS) of the Lua module `natskit`: atomic batches, and where messages come from. Never loaded at run
--- time.

---@class natskit.AtomicBatchOptions
---@field max_bytes? integer of its messages, which are kept until they are committed (67108864)

---@class natskit.AtomicBatchInfo
---@field msgs integer
---@field bytes integer
---@field committed boolean a commit was begun

--- Messages that a stream stores together, one behind the other, or not at all (allow_atomic, server 2.12). Nothing is
--- sent before the commit. The end of a <close> variable discards what was not committed.
---@class natskit.batch
local batch = {}

--- Adds a message, and sends nothing. What a batch may not have raises.
---@param subject string
---@param data? string
---@param options? natskit.StreamPublishOptions without timeout
---@return boolean? ok
---@return string? message
---@return natskit.code? code "limit": too many messages or bytes; "too_large"; "closed": it was committed
function batch:add(subject, data, options) end

--- Stores it.
---@param timeout? number seconds (that of the context)
---@return natskit.PubAck? ack with batch and count; seq of its last message
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome only with "unknown" it may be stored all the same
function batch:commit(timeout) end

--- How much is in it.
---@return natskit.AtomicBatchInfo? info
---@return string? message
---@return natskit.code? code
function batch:info() end

--- Forgets the messages. Harmless after a commit, and more than once.
function batch:discard() end

--- Where a message comes from.
---@class natskit.Origin
---@field stream? string that published it again, or a direct get's
---@field subject? string it has there
---@field seq? integer there
---@field last_seq? integer of the message of that subject before it
---@field time_ns? integer when it was stored there
---@field size? integer bytes of data that were left out
---@field source_stream? string that the stream has taken it from
---@field source_seq? integer there
---@field source_filter? string
---@field source_transform? string
---@field source_subject? string it had there
---@field marker? "MaxAge"|"Purge"|"Remove" it stands for messages that went so
---@field scheduler? string subject of the schedule that has made it
---@field schedule_next? string when the next one is made, or "purge"
---@field increment? string of a counter
---@field counter_sources? string JSON

---@class natskit.msg
local msg = {}

--- Where it comes from, by headers that servers write: what is told, and nothing else.
---@return natskit.Origin? origin
---@return string? message
---@return natskit.code? code "not_found": no header tells
function msg:origin() end

--- The value of a stored counter.
---@return integer|string|nil value digits where an integer is too small
---@return string? message
---@return natskit.code? code "not_found": it is none
function msg:counter() end
