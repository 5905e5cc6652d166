# Installation: headers, libraries, find_package(anear), pkg-config anear.

include(CMakePackageConfigHelpers)
set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/anear")
set(installed anear_index anear_simd anear_store)
if(TARGET anear_c)
  list(APPEND installed anear_c)
endif()
set_target_properties(anear_index PROPERTIES EXPORT_NAME index)
set_target_properties(anear_simd PROPERTIES EXPORT_NAME simd)
install(TARGETS ${installed} EXPORT anear-targets FILE_SET HEADERS FILE_SET bodies)
install(EXPORT anear-targets NAMESPACE anear:: DESTINATION "${package_folder}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/anear-config.cmake.in"
  "${PROJECT_BINARY_DIR}/anear-config.cmake" INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/anear-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/anear-config.cmake"
  "${PROJECT_BINARY_DIR}/anear-config-version.cmake" DESTINATION "${package_folder}")
if(TARGET anear_c)
  # Relative, so that an installed tree can be moved; lib/x86_64-linux-gnu is one level deeper.
  file(RELATIVE_PATH pkgconfig_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  configure_file("${CMAKE_CURRENT_LIST_DIR}/anear.pc.in" "${PROJECT_BINARY_DIR}/anear.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/anear.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
