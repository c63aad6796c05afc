# SPDX-License-Identifier: Apache-2.0
#
# Writes natskit.cdef.h: natskit.h as plain declarations, for FFIs that parse C but have no preprocessor (LuaJIT,
# cffi, and readers that are made of a few regular expressions). Types of stddef.h and stdint.h are not declared, every
# FFI knows them; numeric constants become `static const int`.
#
#   cmake -DCC=cc -DHEADER=capi/include/natskit.h -DOUT=build/natskit.cdef.h -P tools/cdef.cmake
foreach(name CC HEADER OUT)
  if(NOT ${name})
    message(FATAL_ERROR "tools/cdef.cmake: -D${name}=... is missing")
  endif()
endforeach()

# The two headers that natskit.h includes, empty.
set(stubs "${OUT}.stubs")
file(WRITE "${stubs}/stddef.h" "")
file(WRITE "${stubs}/stdint.h" "")
execute_process(
  COMMAND "${CC}" -E -P -x c -nostdinc -isystem "${stubs}" -DNATSKIT_API= "${HEADER}"
  OUTPUT_VARIABLE declarations
  RESULT_VARIABLE failed)
file(REMOVE_RECURSE "${stubs}")
if(failed)
  message(FATAL_ERROR "tools/cdef.cmake: the preprocessor failed on ${HEADER}")
endif()

set(constants "")
file(STRINGS "${HEADER}" lines REGEX "^#define NATSKIT_[A-Z0-9_]+ +[(]?-?[0-9]+[)]?")
foreach(line IN LISTS lines)
  if(line MATCHES "^#define (NATSKIT_[A-Z0-9_]+) +[(]?(-?[0-9]+)")
    string(APPEND constants "static const int ${CMAKE_MATCH_1} = ${CMAKE_MATCH_2};\n")
  endif()
endforeach()

file(WRITE "${OUT}"
  "/* Made from natskit.h by tools/cdef.cmake. A length of NATSKIT_ZLEN is (size_t)-1. */\n"
  "${constants}${declarations}")
