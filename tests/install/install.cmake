# Installs BUILD into an empty PREFIX. Nothing there may point back at the SOURCE tree.
file(REMOVE_RECURSE "${PREFIX}")
execute_process(COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET
  COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${PREFIX}" --config "${CONFIG}")
file(GLOB_RECURSE files "${PREFIX}/*.cmake" "${PREFIX}/*.pc" "${PREFIX}/*.h" "${PREFIX}/*.hpp"
  "${PREFIX}/*.inl")
list(LENGTH files count)
if(count LESS 20)
  message(FATAL_ERROR "only ${count} text files were installed into ${PREFIX}")
endif()
foreach(file IN LISTS files)
  file(READ "${file}" text)
  # The prefix itself may lie in the build folder, and that in the source tree.
  string(REPLACE "${PREFIX}" "" text "${text}")
  string(FIND "${text}" "${SOURCE}" place)
  if(NOT place EQUAL -1)
    message(FATAL_ERROR "${file} points back at ${SOURCE}")
  endif()
endforeach()
file(GLOB strangers LIST_DIRECTORIES ON RELATIVE "${PREFIX}" "${PREFIX}/*")
list(REMOVE_ITEM strangers include lib lib64 share bin)
if(strangers)
  message(FATAL_ERROR "installed where nothing belongs: ${strangers}")
endif()
