# natskit.cdef.h and natskit.abi.json in the build folder: what FFIs read instead of natskit.h (docs/ffi.md).
set(nki_cdef "${PROJECT_BINARY_DIR}/natskit.cdef.h")
set(nki_abi "${PROJECT_BINARY_DIR}/natskit.abi.json")
add_custom_command(OUTPUT "${nki_cdef}" "${nki_abi}"
  COMMAND "${CMAKE_COMMAND}" "-DCC=${CMAKE_C_COMPILER}" "-DHEADER=${nki_header}" "-DSYMBOLS=${nki_symbols}"
    "-DVERSION=${PROJECT_VERSION}" "-DOUT=${nki_cdef}" "-DJSON=${nki_abi}" -P "${PROJECT_SOURCE_DIR}/tools/cdef.cmake"
  DEPENDS "${nki_header}" "${nki_symbols}" "${PROJECT_SOURCE_DIR}/tools/cdef.cmake"
  VERBATIM)
add_custom_target(natskit_declarations ALL DEPENDS "${nki_cdef}" "${nki_abi}")
