# SPDX-License-Identifier: Apache-2.0
#
# Writes what other languages read instead of natskit.h, from natskit.h itself:
#
#   natskit.cdef.h    the header as plain declarations, for FFIs that parse C but have no preprocessor (LuaJIT, cffi)
#   natskit.abi.json  the same as data: constants, handles, structures and functions with their parameters, and for
#                     each function since when it is there and what it is for (docs/ffi.md)
#
#   cmake -DCC=cc -DHEADER=natskit.h -DSYMBOLS=natskit.syms -DVERSION=0.1.0 -DOUT=build/natskit.cdef.h
#     -DJSON=build/natskit.abi.json -P tools/cdef.cmake
#
# Types of stddef.h and stdint.h are not declared, every FFI knows them. What of the header this does not understand
# is an error: nothing is left out silently.
cmake_minimum_required(VERSION 3.25)
foreach(name CC HEADER SYMBOLS VERSION OUT JSON)
  if(NOT ${name})
    message(FATAL_ERROR "tools/cdef.cmake: -D${name}=... is missing")
  endif()
endforeach()

function(preprocess out)
  # The two headers that natskit.h includes, empty.
  set(stubs "${OUT}.stubs")
  file(WRITE "${stubs}/stddef.h" "")
  file(WRITE "${stubs}/stdint.h" "")
  execute_process(
    COMMAND "${CC}" -E -P -x c -nostdinc -isystem "${stubs}" -DNATSKIT_API= ${ARGN} "${HEADER}"
    OUTPUT_VARIABLE text
    RESULT_VARIABLE bad)
  file(REMOVE_RECURSE "${stubs}")
  if(bad)
    message(FATAL_ERROR "tools/cdef.cmake: ${CC} could not preprocess ${HEADER}")
  endif()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# -- constants ------------------------------------------------------------------------------------------------
# All of them by the preprocessor, so that it does not matter how the header breaks its lines.
preprocess(macros -dM)
string(REGEX MATCHALL "#define NATSKIT_[A-Z0-9_]+ [^\n]+" macros "${macros}")
list(SORT macros)
set(numbers "")
set(json_numbers "")
set(json_texts "")
foreach(line IN LISTS macros)
  string(REGEX MATCH "^#define (NATSKIT_[A-Z0-9_]+) (.+)$" line "${line}")
  set(name "${CMAKE_MATCH_1}")
  set(value "${CMAKE_MATCH_2}")
  if(value MATCHES "^[(]?(-?[0-9]+)[uU]?[)]?$")
    string(APPEND numbers "static const int ${name} = ${CMAKE_MATCH_1};\n")
    string(APPEND json_numbers ",\n    \"${name}\": ${CMAKE_MATCH_1}")
  elseif(value MATCHES "^\"[^\"]*\"$")
    string(APPEND json_texts ",\n    \"${name}\": ${value}")
  elseif(NOT name STREQUAL "NATSKIT_ZLEN")
    message(FATAL_ERROR "tools/cdef.cmake: ${name} is '${value}', which is no number and no text")
  endif()
endforeach()

preprocess(declarations)
file(WRITE "${OUT}"
  "/* natskit ${VERSION}. Made from natskit.h by tools/cdef.cmake. A length of NATSKIT_ZLEN is (size_t)-1. */\n"
  "${numbers}${declarations}")

# -- types and functions --------------------------------------------------------------------------------------
# out: {"name": ..., "type": ...} of `const char *name`, `uint64_t name` or `char name[64]`. The type is written
# without blanks around the star; of an array "length" is added.
function(json_variable out declaration)
  string(STRIP "${declaration}" declaration)
  set(length "")
  if(declaration MATCHES "^(.*)\\[([0-9]+)\\]$")
    set(declaration "${CMAKE_MATCH_1}")
    set(length ", \"length\": ${CMAKE_MATCH_2}")
  endif()
  if(NOT declaration MATCHES "^([a-z0-9_ *]+[ *])([a-z0-9_]+)$")
    message(FATAL_ERROR "tools/cdef.cmake: '${declaration}' is not understood")
  endif()
  set(name "${CMAKE_MATCH_2}")
  string(STRIP "${CMAKE_MATCH_1}" type)
  string(REGEX REPLACE " *[*] *" "*" type "${type}")
  set(${out} "{\"name\": \"${name}\", \"type\": \"${type}\"${length}}" PARENT_SCOPE)
endfunction()

# A semicolon separates the elements of a list in CMake, and a bracket hides it: neither may reach foreach.
string(REPLACE ";" "@" text "${declarations}")
string(REGEX REPLACE "[ \n\t]+" " " text "${text}")

set(rest "${text}")
set(json_handles "")
set(json_structs "")
string(REGEX MATCHALL "typedef struct [a-z0-9_]+ { [^}]*} [a-z0-9_]+ ?@" structs "${text}")
foreach(struct IN LISTS structs)
  string(REPLACE "${struct}" "" rest "${rest}")
  string(REGEX MATCH "{ ([^}]*)} ([a-z0-9_]+)" struct "${struct}")
  set(body "${CMAKE_MATCH_1}")
  set(name "${CMAKE_MATCH_2}")
  if(body STREQUAL "uint64_t id@ ")
    string(APPEND json_handles ",\n    \"${name}\"")
    continue()
  endif()
  string(REGEX MATCHALL "[^@]+@" fields "${body}")
  set(json_fields "")
  foreach(field IN LISTS fields)
    string(REPLACE "@" "" field "${field}")
    json_variable(field "${field}")
    string(APPEND json_fields ",\n      ${field}")
  endforeach()
  string(SUBSTRING "${json_fields}" 1 -1 json_fields)
  string(APPEND json_structs ",\n    {\"name\": \"${name}\", \"fields\": [${json_fields}]}")
endforeach()

set(json_opaques "")
string(REGEX MATCHALL "typedef struct [a-z0-9_]+ [a-z0-9_]+ ?@" opaques "${rest}")
foreach(opaque IN LISTS opaques)
  string(REPLACE "${opaque}" "" rest "${rest}")
  string(REGEX MATCH "([a-z0-9_]+) ?@" opaque "${opaque}")
  string(APPEND json_opaques ",\n    \"${CMAKE_MATCH_1}\"")
endforeach()

file(READ "${SYMBOLS}" symbols)
string(REGEX REPLACE "[][;\\\"]" "'" symbols "${symbols}")
set(json_functions "")
string(REGEX MATCHALL "natskit_status natskit_[a-z0-9_]+ ?[(][^)]*[)] ?@" functions "${rest}")
foreach(function IN LISTS functions)
  string(REPLACE "${function}" "" rest "${rest}")
  string(REGEX MATCH "natskit_status (natskit_[a-z0-9_]+) ?[(]([^)]*)[)]" function "${function}")
  set(name "${CMAKE_MATCH_1}")
  string(REPLACE "," ";" parameters "${CMAKE_MATCH_2}")
  set(json_parameters "")
  if(NOT parameters STREQUAL "void")
    foreach(parameter IN LISTS parameters)
      json_variable(parameter "${parameter}")
      string(APPEND json_parameters ",\n      ${parameter}")
    endforeach()
    string(SUBSTRING "${json_parameters}" 1 -1 json_parameters)
  endif()
  if(NOT "\n${symbols}" MATCHES "\n${name}[ \t]+([0-9.]+)[ \t]+([a-z]+)[ \t]+([^\n]+)")
    message(FATAL_ERROR "tools/cdef.cmake: ${name} is not in ${SYMBOLS}")
  endif()
  string(APPEND json_functions
    ",\n    {\"name\": \"${name}\", \"since\": \"${CMAKE_MATCH_1}\", \"state\": \"${CMAKE_MATCH_2}\","
    "\n     \"text\": \"${CMAKE_MATCH_3}\","
    "\n     \"parameters\": [${json_parameters}]}")
endforeach()

string(REPLACE "typedef int32_t natskit_status@" "" rest "${rest}")
string(STRIP "${rest}" rest)
if(rest)
  message(FATAL_ERROR "tools/cdef.cmake: this of the header is not understood: ${rest}")
endif()

foreach(name numbers texts handles opaques structs functions)
  string(REGEX REPLACE "^," "" json_${name} "${json_${name}}")
endforeach()
file(WRITE "${JSON}" "{
  \"library\": \"natskit\",
  \"version\": \"${VERSION}\",
  \"format\": 1,
  \"status\": \"int32_t\",
  \"handle\": \"uint64_t\",
  \"constants\": {${json_numbers}
  },
  \"texts\": {${json_texts}
  },
  \"handles\": [${json_handles}
  ],
  \"opaque\": [${json_opaques}
  ],
  \"structs\": [${json_structs}
  ],
  \"functions\": [${json_functions}
  ]
}
")
