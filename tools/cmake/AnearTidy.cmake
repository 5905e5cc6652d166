# The target anear_tidy: the pinned clang-tidy over all compiled files (.clang-tidy, preset tidy).

find_program(ANEAR_CLANG_TIDY clang-tidy REQUIRED NO_DEFAULT_PATH
  HINTS "${PROJECT_SOURCE_DIR}/build/venv/bin" DOC "clang-tidy as tools/dev/requirements.txt pins it")
cmake_path(GET ANEAR_CLANG_TIDY PARENT_PATH tools)
add_custom_target(anear_tidy
  COMMAND "${tools}/python" "${PROJECT_SOURCE_DIR}/tools/dev/run_tidy.py" "${PROJECT_BINARY_DIR}"
          --clang-tidy "${ANEAR_CLANG_TIDY}"
  USES_TERMINAL VERBATIM)
add_dependencies(anear_tidy anear_store_schemas)
