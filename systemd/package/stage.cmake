# Called by CPack on the installed tree, before it becomes a package.
set(HERE ${CMAKE_CURRENT_LIST_DIR})
get_filename_component(SOURCE ${HERE}/../.. ABSOLUTE)
set(ROOT ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(DOC ${ROOT}/usr/share/doc/wayleave)
if(NOT EXISTS ${ROOT}/usr/bin/wayleave)
    message(FATAL_ERROR "${ROOT}/usr/bin/wayleave is missing; build all targets before cpack")
endif()

# Whatever prefix the build is configured for, the program of the package is in /usr. Debian 12 looks for units in /lib.
file(REMOVE_RECURSE ${ROOT}/usr/lib/systemd)
file(GLOB left ${ROOT}/usr/lib/*)
if(NOT left)
    file(REMOVE_RECURSE ${ROOT}/usr/lib)
endif()
set(CMAKE_INSTALL_FULL_BINDIR /usr/bin)
configure_file(${HERE}/../wayleave.service.in ${ROOT}/lib/systemd/system/wayleave.service @ONLY)
file(COPY ${HERE}/../wayleave.socket DESTINATION ${ROOT}/lib/systemd/system)

file(COPY ${HERE}/wayleave.toml DESTINATION ${ROOT}/etc/wayleave)
file(COPY ${HERE}/default.route DESTINATION ${ROOT}/etc/wayleave/routes.d)

file(COPY ${SOURCE}/README.md ${SOURCE}/SECURITY.md ${HERE}/copyright DESTINATION ${DOC})
configure_file(${SOURCE}/CHANGELOG.md ${DOC}/changelog COPYONLY)
configure_file(${HERE}/changelog ${DOC}/changelog.Debian COPYONLY)
file(COPY ${HERE}/lintian-overrides DESTINATION ${ROOT}/usr/share/lintian/overrides)
file(RENAME ${ROOT}/usr/share/lintian/overrides/lintian-overrides ${ROOT}/usr/share/lintian/overrides/wayleave)

file(GLOB_RECURSE pages ${ROOT}/usr/share/man/*.[1-9])
execute_process(COMMAND gzip -9nf ${pages} ${DOC}/changelog ${DOC}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)

# Modes as Debian has them, whatever the umask of the build.
execute_process(COMMAND chmod -R u=rwX,go=rX ${ROOT} COMMAND_ERROR_IS_FATAL ANY)
