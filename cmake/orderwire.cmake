# The two words that the folders use: a library with the tests beside it, and the warnings for all.

option(ORDERWIRE_FUZZ "Build the fuzzers with clang's libFuzzer" OFF)
set(ORDERWIRE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them: address,undefined or thread")

add_compile_definitions(_GNU_SOURCE ORDERWIRE_VERSION="${PROJECT_VERSION}")
add_compile_options(
    -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wno-missing-field-initializers
    -fno-omit-frame-pointer -fno-common)
if(ORDERWIRE_SANITIZE)
    add_compile_options(-fsanitize=${ORDERWIRE_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${ORDERWIRE_SANITIZE})
endif()
if(ORDERWIRE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# The released program is optimised as a whole (a target with WHOLE_PROGRAM); tests link the same objects as they are.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(ORDERWIRE_WHOLE -flto=auto -ffat-lto-objects)
    add_link_options("$<IF:$<BOOL:$<TARGET_PROPERTY:WHOLE_PROGRAM>>,-flto=auto,-fno-lto>")
endif()

foreach(words hardening headers fuzz embed)
    include(${CMAKE_CURRENT_LIST_DIR}/${words}.cmake)
endforeach()

# orderwire_folder(NAME SOURCES a.c ... DEPENDS lower_folder ... LIBRARIES foreign ... TESTS a_test.c ...)
# makes the static library orderwire_NAME and one test program for each file of TESTS.
function(orderwire_folder name)
    cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES;TESTS" ${ARGN})
    add_library(orderwire_${name} STATIC ${arg_SOURCES})
    target_compile_options(orderwire_${name} PRIVATE ${ORDERWIRE_WHOLE})
    target_include_directories(orderwire_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    foreach(folder IN LISTS arg_DEPENDS)
        target_link_libraries(orderwire_${name} PUBLIC orderwire_${folder})
    endforeach()
    target_link_libraries(orderwire_${name} PRIVATE ${arg_LIBRARIES})
    foreach(test IN LISTS arg_TESTS)
        get_filename_component(stem ${test} NAME_WE)
        orderwire_test(${stem} SOURCES ${test} DEPENDS ${name})
    endforeach()
    orderwire_headers_alone(${name} LIBRARIES ${arg_LIBRARIES})
endfunction()

# orderwire_test(NAME SOURCES ... DEPENDS folder ... [UNDER command ...]): a cmocka program that ctest runs.
function(orderwire_test name)
    cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES;UNDER" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    foreach(folder IN LISTS arg_DEPENDS)
        target_link_libraries(${name} PRIVATE orderwire_${folder})
    endforeach()
    target_link_libraries(${name} PRIVATE PkgConfig::cmocka ${arg_LIBRARIES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/unit)
    add_test(NAME ${name} COMMAND ${arg_UNDER} $<TARGET_FILE:${name}>)
    set_tests_properties(${name} PROPERTIES TIMEOUT 60 LABELS unit)
endfunction()
