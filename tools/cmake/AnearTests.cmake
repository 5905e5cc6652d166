# How a room's test files become a program and entries of ctest.

# The ISA values that kernels can be forced to on this machine.
function(anear_machine_isas out)
  set(found "")
  if(ANEAR_X86)
    set(found v2)
    set(cpuinfo "")
    if(EXISTS /proc/cpuinfo)
      file(STRINGS /proc/cpuinfo cpuinfo REGEX "^flags" LIMIT_COUNT 1)
    endif()
    string(APPEND cpuinfo " ")
    if(cpuinfo MATCHES " avx2 " AND cpuinfo MATCHES " fma " AND cpuinfo MATCHES " f16c ")
      list(APPEND found avx2)
    endif()
    if(cpuinfo MATCHES " avx512f " AND cpuinfo MATCHES " avx512bw " AND
       cpuinfo MATCHES " avx512dq " AND cpuinfo MATCHES " avx512vl ")
      list(APPEND found avx512)
    endif()
    foreach(isa v2 avx2 avx512)
      if(NOT isa IN_LIST found)
        message(STATUS "anear: this machine lacks ${isa}: its kernels are built but not tested")
      endif()
    endforeach()
  endif()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()
anear_machine_isas(ANEAR_MACHINE_ISAS)

# tests/<room>/*_test.cpp into the program anear_test_<room>, linked to `library`.
# CORES: how much of the machine a file needs, for ctest -j.
function(anear_add_room_tests room library)
  file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${room}/*_test.cpp")
  if(NOT ANEAR_WITH_ROCKSDB)
    list(FILTER files EXCLUDE REGEX "/rocksdb_[^/]*_test\\.cpp$")
  endif()
  if(NOT files)
    return()
  endif()
  set(program anear_test_${room})
  add_executable(${program} ${files})
  anear_own_target(${program})
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/tests"
    "${PROJECT_SOURCE_DIR}/tests/support" "${PROJECT_SOURCE_DIR}/src")
  target_include_directories(${program} SYSTEM PRIVATE "${PROJECT_BINARY_DIR}/generated")
  # What these rooms test is compiled into the library; looked at for undefined behaviour as well,
  # their own code takes half as long again to compile.
  if(ANEAR_SANITIZE MATCHES "undefined" AND NOT ANEAR_SANITIZE_FULLY AND
     room MATCHES "^(filter|storage|collection|property|crash)$")
    target_compile_options(${program} PRIVATE -fno-sanitize=undefined)
  endif()
  target_link_libraries(${program} PRIVATE ${library} anear_catch_main rapidcheck)
  # Read by every file, and the largest header of most: 1 s of each unit under ASan.
  target_precompile_headers(${program} PRIVATE <catch2/catch.hpp>)
  target_compile_definitions(${program} PRIVATE
    ANEAR_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    $<$<BOOL:${ANEAR_WITH_ROCKSDB}>:ANEAR_WITH_ROCKSDB=1>)
  foreach(file IN LISTS files)
    get_filename_component(name "${file}" NAME_WE)
    set(tags "[#${name}]")
    # What a file does with several threads is in tests that it tags, if it has any.
    file(STRINGS "${file}" threaded REGEX "\\[threads\\]")
    if(threaded AND ANEAR_SANITIZE MATCHES "thread")
      string(APPEND tags "[threads]")
    endif()
    set(arguments --filenames-as-tags --warn NoTests "${tags}")
    string(REGEX REPLACE "_test$" "" short "${name}")
    # Races, and what an index does beside its kernels, do not depend on the ISA, and sanitizers are
    # slow.
    set(rooms "^(simd|quant|index)$")
    if(ANEAR_SANITIZE MATCHES "thread")
      set(rooms "^$")
    elseif(ANEAR_SANITIZE)
      set(rooms "^simd$")
    endif()
    # What an index does beside its kernels is tested with all rows once.
    set(thorough avx2)
    if(ANEAR_MACHINE_ISAS AND NOT thorough IN_LIST ANEAR_MACHINE_ISAS)
      list(GET ANEAR_MACHINE_ISAS -1 thorough)
    endif()
    if(room MATCHES "${rooms}" AND ANEAR_MACHINE_ISAS)
      foreach(isa IN LISTS ANEAR_MACHINE_ISAS)
        set(environment "ANEAR_ISA=${isa}")
        set(chosen "")
        if(NOT isa STREQUAL thorough)
          list(APPEND environment "ANEAR_FEW_ROWS=1")
          # The other ISAs run the tests that look at distances, where a file tags them.
          file(STRINGS "${file}" tagged REGEX "\\[isa\\]")
          if(tagged)
            set(chosen "[isa]")
          endif()
        endif()
        add_test(NAME "${room}/${short}/${isa}" COMMAND ${program} ${arguments}${chosen})
        set_tests_properties("${room}/${short}/${isa}" PROPERTIES
          ENVIRONMENT "${environment}" LABELS "${room}")
      endforeach()
    else()
      add_test(NAME "${room}/${short}" COMMAND ${program} ${arguments})
      set_tests_properties("${room}/${short}" PROPERTIES LABELS "${room}")
    endif()
  endforeach()
endfunction()

# A test of something that is not in the tree yet: reported as not run, so that nobody takes it for
# passed, and replaced as soon as `missing` exists.
function(anear_pending_test name missing)
  add_test(NAME "${name}" COMMAND "${CMAKE_COMMAND}" -E false)
  set_tests_properties("${name}" PROPERTIES DISABLED TRUE)
  message(STATUS "anear: ${name} is not run, since there is no ${missing}")
endfunction()
