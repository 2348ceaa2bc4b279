# The units are well-formed, their manuals apart, and the sandbox is as tight as we promise (score x 10).
foreach(unit ${UNIT} ${SOCKET})
    get_filename_component(name ${unit} NAME)
    file(READ ${unit} text)
    string(REPLACE ${INSTALLED} ${BINARY} text "${text}")
    string(REGEX REPLACE "Documentation=[^\n]*\n" "" text "${text}")
    file(WRITE ${WORK}/${name} "${text}")
endforeach()
execute_process(COMMAND ${ANALYZE} verify ${WORK}/wayleave.service ${WORK}/wayleave.socket
    RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE complained)
if(failed OR said OR complained)
    message(FATAL_ERROR "systemd-analyze verify: ${said}${complained}")
endif()
execute_process(COMMAND ${ANALYZE} security --offline=true --threshold=15 ${WORK}/wayleave.service
    RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE complained)
if(failed)
    message(FATAL_ERROR "systemd-analyze security: ${said}${complained}")
endif()
