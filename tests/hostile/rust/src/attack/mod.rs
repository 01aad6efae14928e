//! The attacks, one file each, by name.

use crate::Attack;

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// The attack of that name.
        pub(crate) fn named(name: &str) -> Option<Attack> {
            match name {
                $(stringify!($name) => Some($name::attack),)*
                _ => None,
            }
        }
    };
}

attacks! {
    anchor_climbs,
    anchor_empty,
    anchor_of_one_mib,
    attribute_names_paint,
    attributes_nobody_described,
    attributes_without_end,
    climbs_by_symlink,
    climbs_out_of_a_directory,
    connects_by_itself,
    cursor_in_a_circle,
    cursor_of_one_mib,
    duplicate_anchors,
    endless_listing,
    entries_that_do_not_match,
    exits_with_success,
    failure_blames_credentials,
    failure_of_one_mib,
    failure_of_ten_mib,
    failure_paints,
    failure_says_gone,
    failure_waits_for_ever,
    failure_with_secret,
    floods_stdout,
    forged_cursor,
    hangs_on_a_silent_target,
    hoards_connections,
    hoards_requests,
    hoards_streams,
    leaves_a_stale_instance,
    log_fields_without_end,
    more_than_asked_for,
    moves_out_of_a_directory,
    naps_for_ever,
    opens_files_without_end,
    opens_secrets_of_others,
    panics_at_length,
    path_of_one_mib,
    pollables_without_end,
    polls_a_million,
    polls_nothing,
    polls_what_is_ready,
    prints_without_a_line,
    random_of_one_tib,
    random_without_end,
    reads_clocks_without_end,
    reads_stdin,
    redirect_to_metadata,
    requests_that_smuggle,
    resolves_names,
    reveals_without_leave,
    secret_in_the_log,
    sleeps_for_ever,
    snoops_environment,
    spins_after_waking,
    starts_processes,
    starts_threads,
    state_listed_without_end,
    state_of_old_versions,
    state_until_full,
    state_with_odd_keys,
    stream_that_drips,
    stream_that_says_nothing,
    streams_astray,
    taints_and_breaks_the_contract,
    target_at_mapped_metadata,
    target_that_drips,
    target_without_end,
    targets_it_was_not_given,
    traps_in_drop,
    values_of_other_types,
    values_without_end,
    version_of_one_mib,
    writes_where_it_may_look,
}
