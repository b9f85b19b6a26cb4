//! Taking rows from several places, against a list of what was taken.

mod working_off;
