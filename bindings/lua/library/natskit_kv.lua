---@meta _
--- Annotations (LuaCATS) of the key-value buckets of the Lua module `natskit`. Never loaded at run time.

--- Configuration of a bucket. Fields that are not known are refused.
---@class natskit.KvConfig
---@field bucket string letters, digits, _ and -
---@field description? string
---@field history? integer entries that are kept of each key, 1 to 64 (1)
---@field ttl? number seconds after which entries go (never)
---@field allow_atomic? boolean whether it takes batches: server 2.12 (false)
---@field limit_marker_ttl? number seconds for which a marker stands for a key whose last entry has gone by its time; allows times to live of entries
---@field max_bytes? integer
---@field max_value_size? integer
---@field storage? "file"|"memory" ("file")
---@field num_replicas? integer (1)
---@field placement? table as of a stream
---@field republish? table as of a stream
---@field compression? boolean (false)
---@field metadata? table<string, string>
---@field mirror? table a bucket whose copy it is, `{ name = bucket }` with what else a source of a stream has; keys are written there
---@field sources? table[] buckets whose keys become keys of this one, too, in the same form; those with subject_transforms or filter_subject are taken as they are

--- What a bucket is.
---@class natskit.KvStatus
---@field bucket string
---@field values integer entries that are kept, deletes and history included
---@field bytes integer that it takes
---@field history integer entries that are kept of each key
---@field ttl number seconds after which entries go; 0: never
---@field limit_marker_ttl number seconds for which markers stand; 0: there are none
---@field allow_atomic boolean it takes batches
---@field max_bytes integer -1: no limit
---@field max_value_size integer -1: no limit
---@field storage "file"|"memory"
---@field num_replicas integer
---@field compression boolean
---@field description? string
---@field placement? table
---@field republish? table
---@field mirror? table
---@field sources? table[]
---@field metadata table<string, string>
---@field backing_store "JetStream"
---@field stream natskit.StreamInfo

--- A codec of keys or values. What a function raises, or gives as nil and a message, is raised with the key's name:
--- where the key is given, or where an entry's key or value is read, which ends no watch.
---@class natskit.KvCodec
---@field encode fun(text: string): string?, string? as it is stored; a key has to be one, but for what codec makes of it
---@field decode fun(stored: string): string?, string?

--- Patterns go through encode_filter, those without wildcards as well; it has to leave * and > as tokens. Without it
--- only patterns that hold neither are taken, and ">" for all keys.
---@class natskit.KvKeyCodec: natskit.KvCodec
---@field encode_filter? fun(pattern: string): string?, string?

--- Options of js:kv and js:open_kv.
---@class natskit.KvOptions
---@field codec? "none"|"base64"|"path" what keys are in subjects: themselves, base64 of each token so that they may hold any bytes, or paths with slashes ("none")
---@field key_codec? natskit.KvKeyCodec what the program itself makes of keys; codec comes behind it
---@field value_codec? "none"|"base64"|natskit.KvCodec what values are as they are stored ("none")
---@field read_only? boolean every change fails with code "read_only" (false)
---@field origin? string bucket that this one mirrors; js:open_kv finds it out
---@field direct? boolean false has gets answered by the leader, so that they see each change that was acked (true)

---@class natskit.KvOpenOptions: natskit.KvOptions, natskit.CallOptions

--- Options of kv:delete_all, kv:purge_all and kv:purge_deletes.
---@class natskit.KvSweepOptions
---@field keys? string|string[] of kv:purge_deletes: keys that it is about (all)
---@field older_than? number of kv:purge_deletes: seconds; what stands for a delete goes if it is so old, by this computer's clock; 0 all, math.huge none (1800)
---@field older_than_ms? integer the same in milliseconds; -1 all
---@field in_flight? integer keys that are changed at the same time (64)
---@field timeout? number seconds for all of it

--- Options of kv:get_many.
---@class natskit.KvManyOptions
---@field keys? string[] what the first argument is
---@field ignore_deletes? boolean false: with the entries of keys that were deleted or purged, whose operation tells so (true)
---@field answer? number seconds for each message of the answer; after it all is asked for again, up to six times (5)
---@field answer_ms? integer the same in milliseconds
---@field timeout? number seconds for all of it

---@class natskit.KvCacheOptions
---@field headers_only? boolean whether values are left out (false)

---@class natskit.KvModifyOptions: natskit.CallOptions
---@field tries? integer after so many it fails with "wrong_last" (10)

---@class natskit.KvCacheInfo
---@field entries integer
---@field bytes integer of memory that they take
---@field last_revision integer the highest that has come
---@field complete boolean all that there was at the begin has come

---@class natskit.KvGetOptions: natskit.CallOptions
---@field revision? integer the entry of this revision (the last one)

---@class natskit.KvCreateOptions: natskit.CallOptions
---@field ttl? number seconds, at least 1, after which the entry goes; the bucket has to allow it (limit_marker_ttl)

---@class natskit.KvDeleteOptions: natskit.CallOptions
---@field revision? integer only if this is the revision of the last entry

---@class natskit.KvPurgeOptions: natskit.KvDeleteOptions
---@field ttl? number seconds, at least 1, after which what stands for the purge goes, too

--- Options of kv:watch.
---@class natskit.WatchOptions
---@field keys? string|string[] keys with `*` as a token and `>` as the last one (all)
---@field history? boolean whether it begins with all that is kept of each key, instead of its last entry (false)
---@field updates_only? boolean whether it begins with what comes from now on (false)
---@field from_revision? integer revision that it begins with
---@field ignore_deletes? boolean whether deletes, purges and the server's markers are left out (false)
---@field headers_only? boolean whether values are left out (false)
---@field meta_only? boolean the same
---@field marker? boolean whether a message of kind "status" and type "initial_done" says when all that there was at the begin has come (false)
---@field ends? boolean whether it ends with what there is (false)

--- An entry; a field is made a Lua value when it is read.
---@class natskit.entry
---@field kind "entry" the marker has "status"
---@field bucket string
---@field key string
---@field value string empty for a delete or purge, and where values are left out
---@field length integer bytes of the value, also where it is left out
---@field revision integer its number in the bucket
---@field delta integer entries that a watch has still to deliver
---@field time number when it was stored: seconds since 1970 UTC
---@field time_ns integer the same in nanoseconds
---@field operation "put"|"delete"|"purge" "purge" also for a key that has gone by its time
local entry = {}

--- What the value stands for.
---@return any value
---@return string? message
---@return natskit.code? code "invalid", "limit"
function entry:json() end

--- Gives its memory back at once.
---@return true
function entry:close() end

---@class natskit.js
local js = {}

--- A bucket, without asking whether it exists.
---@param bucket string
---@param options? natskit.KvOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "closed"
function js:kv(bucket, options) end

--- A bucket that exists. Gets go to the leader if it allows no direct ones, and keys of a mirror are written to its
--- origin.
---@param bucket string
---@param options? natskit.KvOpenOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "stream_not_found", "not_a_bucket"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:open_kv(bucket, options) end

--- Makes a bucket. That there is one that is configured alike is no error.
---@param config natskit.KvConfig
---@param options? natskit.CallOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "already_exists"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:create_kv(config, options) end

--- Gives a bucket what config says, and leaves the rest as it is.
---@param config natskit.KvConfig
---@param options? natskit.CallOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "stream_not_found"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:update_kv(config, options) end

--- Makes a bucket, or gives one that exists this configuration, with the defaults of what is not said.
---@param config natskit.KvConfig
---@param options? natskit.CallOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:create_or_update_kv(config, options) end

--- Names of all buckets.
---@param options? natskit.CallOptions
---@return string[]? names
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:kv_names(options) end

--- The status of every bucket.
---@param options? natskit.CallOptions
---@return natskit.KvStatus[]? list
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:kv_list(options) end

--- Deletes a bucket with all it holds.
---@param bucket string
---@param options? natskit.CallOptions
---@return true? ok
---@return string? message
---@return natskit.code? code "stream_not_found"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:delete_kv(bucket, options) end

--- A bucket. Keys hold letters, digits and - / _ = in tokens between single dots; anything else raises.
---@class natskit.kv
---@field bucket string its name
local kv = {}

--- The last entry of a key, or the one of a revision.
---@param key string
---@param options? natskit.KvGetOptions
---@return natskit.entry? entry
---@return string? message
---@return natskit.code? code "key_not_found", "key_deleted", "stream_not_found"
function kv:get(key, options) end

--- Sets the value of a key.
---@param key string
---@param value string
---@param options? natskit.CallOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome whether it may be done all the same, as of js:publish
function kv:put(key, value, options) end

--- Sets the value of a key that has none.
---@param key string
---@param value? string
---@param options? natskit.KvCreateOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "key_exists"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:create(key, value, options) end

--- Sets the value if the last entry of the key has this revision; 0: if there is none.
---@param key string
---@param value string
---@param revision integer
---@param options? natskit.CallOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:update(key, value, revision, options) end

--- Deletes a key; its history stays.
---@param key string
---@param options? natskit.KvDeleteOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:delete(key, options) end

--- Deletes a key with its history.
---@param key string
---@param options? natskit.KvPurgeOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:purge(key, options) end

--- The last entries of up to 65,536 keys, all of one moment, by key; what has no value is left out.
---@param keys string|string[] also with `*` and `>`
---@param options? natskit.KvManyOptions
---@return table<string, natskit.entry>? entries
---@return string? message
---@return natskit.code? code "stream_not_found"; "snapshot_changed": with more than 1,024 keys or 16 MiB: it was written all the time
function kv:get_many(keys, options) end

--- Changes of several keys that are made together, or not at all; the bucket has to be made with allow_atomic.
---@param options? natskit.AtomicBatchOptions
---@return natskit.batch? batch
---@return string? message
---@return natskit.code? code "closed"
function kv:batch(options) end

--- Deletes all keys that match; one that is written meanwhile keeps its value.
---@param keys string|string[]
---@param options? natskit.KvSweepOptions
---@return integer? count of keys
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function kv:delete_all(keys, options) end

--- The same with their history.
---@param keys string|string[]
---@param options? natskit.KvSweepOptions
---@return integer? count of keys
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function kv:purge_all(keys, options) end

--- Removes what deletes and purges have left: the history of keys without a value, and what stands for the delete.
---@param options? natskit.KvSweepOptions
---@return integer? count of keys
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function kv:purge_deletes(options) end

--- Sets what the function makes of the value of a key, or of nil if it has none; again, with what came instead, if another
--- client was faster. A function that gives nothing changes nothing, and the result is false.
---@param key string
---@param change fun(value?: string): string?
---@param options? natskit.KvModifyOptions
---@return integer|false|nil revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:modify(key, change, options) end

--- Keeps the last entries of keys at hand. The first message of the watch, of kind "status" and type "initial_done", says
--- that it is complete; closing the watch ends it.
---@param keys? string|string[]
---@param options? natskit.KvCacheOptions
---@return natskit.sub? watch
---@return string? message
---@return natskit.code? code "busy": the bucket has a cache already
function kv:cache(keys, options) end

--- The entry of a key that is at hand. Waits for nothing.
---@param key string
---@return natskit.entry? entry
---@return string? message
---@return natskit.code? code "key_not_found", "pending" before it is complete, "not_found" without a cache, or why it has ended
function kv:cached(key) end

--- All entries that are at hand, in no order.
---@return natskit.entry[]? entries
---@return string? message
---@return natskit.code? code
function kv:cached_all() end

--- How much is at hand.
---@return natskit.KvCacheInfo? info
---@return string? message
---@return natskit.code? code "not_found"
function kv:cache_info() end

--- `for entry in kv:watch("users.*") do`: entries as they are written, beginning with the last one of each key. The loop
--- ends when the watch is closed, and raises why there can be no more, "stream_not_found" when the bucket was deleted.
--- The first value is a subscription: who keeps it has next, drain, reason and the rest, and closes it.
---@param keys? string|string[]|natskit.WatchOptions
---@param options? natskit.WatchOptions
---@return natskit.sub? watch
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function kv:watch(keys, options) end

--- The keys that have a value, or those of them that match a filter.
---@param filters? string|string[]
---@param options? natskit.CallOptions
---@return string[]? keys
---@return string? message
---@return natskit.code? code
function kv:keys(filters, options) end

--- All that is kept of a key, the oldest first; of several with `*` and `>`.
---@param key string|string[]
---@param options? natskit.CallOptions
---@return natskit.entry[]? entries
---@return string? message
---@return natskit.code? code
function kv:history(key, options) end

--- Configuration and state of the bucket. As with js:open_kv the bucket keeps to that from then on.
---@param options? natskit.CallOptions
---@return natskit.KvStatus? status
---@return string? message
---@return natskit.code? code "stream_not_found"
---@return integer? err_code JetStream's number
---@return integer? server_code
function kv:status(options) end

--- Watches live on.
---@return true
function kv:close() end

---@class natskit.WatchInfo
---@field last_revision integer up to which all has come; of js:ordered last_seq instead
---@field resets integer consumers that were made after the first
---@field passed integer messages of consumers before, or that came again: passed over
---@field rewinds integer how often the bucket or stream was found to end before that: another of its name, or after a loss
---@field live boolean its consumer is there, as far as is known
---@field initial_done boolean what there was at the begin has come

---@class natskit.sub
local sub = {}

--- How a watch, or a subscription of js:ordered, is doing.
---@return natskit.WatchInfo? info
---@return string? message
---@return natskit.code? code "not_found" of other subscriptions, and when it has ended
function sub:watch_info() end
