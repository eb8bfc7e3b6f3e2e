# orderwire_embed(TARGET NAME FILE): puts the bytes of FILE into the library TARGET as
#     extern const unsigned char NAME[];
#     extern const size_t NAME_size;
# The assembler copies the file, so that its size costs no compile time.
function(orderwire_embed target name file)
    get_filename_component(path ${file} ABSOLUTE)
    if(NOT EXISTS ${path})
        message(FATAL_ERROR "${path} is missing; `tools/setup.sh build` fetches what comes from npm")
    endif()
    set(source ${CMAKE_CURRENT_BINARY_DIR}/embed_${name}.c)
    set(content [[
#include <stddef.h>
extern const unsigned char @name@[];
extern const size_t @name@_size;
extern const unsigned char @name@_end[];
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".global @name@\n"
        ".global @name@_size\n"
        "@name@:\n"
        ".incbin \"@path@\"\n"
        "@name@_end:\n"
        ".byte 0\n"
        ".balign 8\n"
        "@name@_size:\n"
        ".quad @name@_end - @name@\n"
        ".previous\n");
]])
    string(CONFIGURE "${content}" content @ONLY)
    file(CONFIGURE OUTPUT ${source} CONTENT "${content}" @ONLY)
    # Names that only the assembler sees do not survive an optimisation of the whole program.
    set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${path} COMPILE_OPTIONS -fno-lto)
    target_sources(${target} PRIVATE ${source})
endfunction()
