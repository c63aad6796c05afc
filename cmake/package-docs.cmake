# Run by CPack before it packs: copyright and changelog, which Debian wants below usr/share/doc/<package>.
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  set(package "${CPACK_DEBIAN_${upper}_PACKAGE_NAME}")
  set(folder "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${component}${CPACK_NKI_PREFIX}/share/doc/${package}")
  file(WRITE "${folder}/copyright"
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
    "Upstream-Name: natskit\n\n"
    "Files: *\nCopyright: the natskit developers\nLicense: Apache-2.0\n"
    " On Debian systems the text of the license is in /usr/share/common-licenses/Apache-2.0.\n")
  execute_process(COMMAND gzip -9nc "${CPACK_NKI_SOURCE_DIR}/CHANGELOG.md"
    OUTPUT_FILE "${folder}/changelog.gz" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
