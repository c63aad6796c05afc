-- SPDX-License-Identifier: Apache-2.0
--
-- The cases of tests/catalogue, read from their files; the language is described in tests/catalogue/README.md.

local cases = {}

local files = { "defines", "a", "b", "c", "d", "g", "h", "auth", "options" }

local function take(case, line, defines)
    if line:sub(1, 1) == "|" then
        case.script = case.script .. line:gsub("^| ?", "") .. "\n"
    elseif line:sub(1, 2) == "%2" then
        case.other_config = case.other_config .. line:gsub("^%%2 ?", "") .. "\n"
    elseif line:sub(1, 1) == "%" then
        case.config = case.config .. line:gsub("^%% ?", "") .. "\n"
    elseif line:sub(1, 1) == "@" then
        for _, inner in ipairs(assert(defines[line:sub(2)], line)) do
            take(case, inner, defines)
        end
    else
        case.steps[#case.steps + 1] = line
        case.has_with = case.has_with or line:find("^with ") ~= nil
    end
end

--- All cases, from the files of a folder.
function cases.read(folder)
    local found, defines = {}, {}
    for _, name in ipairs(files) do
        local block, number = nil, 0
        for line in io.lines(folder .. "/" .. name .. ".case") do
            number = number + 1
            local word, rest = line:match("^(%S*) ?(.*)$")
            if word == "define" then
                block = {}
                defines[rest] = block
            elseif word == "case" then
                block = nil
                found[#found + 1] = { id = rest:match("^%S+"), title = rest, script = "", config = "",
                    other_config = "", steps = {}, where = ("%s.case:%d"):format(name, number) }
            elseif line ~= "" and line:sub(1, 1) ~= "#" then
                if block then
                    block[#block + 1] = line
                else
                    take(found[#found], line, defines)
                end
            end
        end
    end
    return found
end

local escapes = { r = "\r", n = "\n", t = "\t", ["0"] = "\0" }

--- Undoes the C escapes.
function cases.unescape(text)
    return (text:gsub("\\(.)(%x?%x?)", function(escape, digits)
        if escape == "x" and #digits == 2 then
            return string.char(tonumber(digits, 16))
        end
        return (escapes[escape] or escape) .. digits
    end))
end

return cases
