# The unit is well-formed, its manuals apart, and its sandbox is as tight as we promise (score x 10).
file(READ ${UNIT} text)
string(REPLACE ${INSTALLED} ${BINARY} text "${text}")
string(REGEX REPLACE "Documentation=[^\n]*\n" "" text "${text}")
file(WRITE ${WORK}/wayleave.service "${text}")
execute_process(COMMAND ${ANALYZE} verify ${WORK}/wayleave.service RESULT_VARIABLE failed OUTPUT_VARIABLE said
    ERROR_VARIABLE complained)
if(failed OR said OR complained)
    message(FATAL_ERROR "systemd-analyze verify: ${said}${complained}")
endif()
execute_process(COMMAND ${ANALYZE} security --offline=true --threshold=20 ${WORK}/wayleave.service
    RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE complained)
if(failed)
    message(FATAL_ERROR "systemd-analyze security: ${said}${complained}")
endif()
