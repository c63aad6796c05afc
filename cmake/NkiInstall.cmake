# Install rules. Components: runtime (the library with its SONAME), dev (header, namelink, archive, CMake and
# pkg-config files, declarations for FFIs), lua, python, tools (natskit-bench). What is installed can be moved: no
# absolute path is written into it. The target `uninstall` removes what the last install put there.
include(GNUInstallDirs)

if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall
    COMMAND "${CMAKE_COMMAND}" "-DBUILD=${PROJECT_BINARY_DIR}" -P "${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake"
    VERBATIM)
endif()
if(NOT NATSKIT_INSTALL_C) # a Lua or Python package that has the library inside
  set_target_properties(natskit_shared natskit_declarations PROPERTIES EXCLUDE_FROM_ALL ON)
  return()
endif()
include(CMakePackageConfigHelpers)

set(nki_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/natskit")

install(TARGETS natskit_shared EXPORT natskitTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT dev
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(TARGETS natskit_static EXPORT natskitTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(EXPORT natskitTargets NAMESPACE natskit:: DESTINATION "${nki_cmake_dir}" COMPONENT dev)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/natskitConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/natskitConfig.cmake" INSTALL_DESTINATION "${nki_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/natskitConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/natskitConfig.cmake" "${PROJECT_BINARY_DIR}/natskitConfigVersion.cmake"
  DESTINATION "${nki_cmake_dir}" COMPONENT dev)

# The way from the .pc file up to the prefix depends on how deep the library folder is (lib, lib/<triplet>).
set(nki_pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH nki_pc_to_prefix "${nki_pc_dir}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" nki_pc_to_prefix "${nki_pc_to_prefix}")
file(RELATIVE_PATH nki_pc_libdir "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_LIBDIR}")
file(RELATIVE_PATH nki_pc_includedir "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
file(RELATIVE_PATH nki_pc_datadir "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_DATADIR}/natskit")
configure_file("${PROJECT_SOURCE_DIR}/cmake/natskit.pc.in" "${PROJECT_BINARY_DIR}/natskit.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/natskit.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dev)

install(FILES "${nki_cdef}" "${nki_abi}" DESTINATION "${CMAKE_INSTALL_DATADIR}/natskit" COMPONENT dev)
