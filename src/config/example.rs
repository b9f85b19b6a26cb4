//! The configuration as text: the example file, and what `check-config` prints.

use std::fmt::Write;

use toml::Value;

use super::sections::{Config, Described};
use super::setting::Setting;

const HEAD: &str = "\
# Storekeeper's settings. Every key is listed with its unit, range and default; take away the `#` before a key to
# change it. A value here is overruled by the environment (STOREKEEPER__SECTION__KEY, lists with commas), and that by
# flags. Unknown keys are refused. `storekeeper check-config --config FILE` checks a file and prints what is in force.
";

/// The text of `storekeeper.example.toml`: every key, commented out, with its default.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    for section in Config::default().described() {
        write_section(&mut text, &section, |text, setting| {
            for line in setting.about {
                write_line(text, &format!("# {}", line.trim()));
            }
            let Setting {
                key,
                unit,
                range,
                value,
                ..
            } = setting;
            write_line(
                text,
                &format!("# Unit: {unit}. Range: {range}. Default: {value}."),
            );
            write_line(text, &format!("#{key} = {value}\n"));
        });
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What is in force, as TOML, with secrets withheld.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut text = String::new();
    for section in config.described() {
        write_section(&mut text, &section, |text, setting| {
            write_line(text, &format!("{} = {}", setting.key, shown(setting)));
        });
    }
    text
}

fn shown(setting: &Setting) -> Value {
    let set = setting.value.as_str().map_or_else(
        || {
            setting
                .value
                .as_array()
                .is_some_and(|values| !values.is_empty())
        },
        |text| !text.is_empty(),
    );
    if setting.secret && set {
        Value::from("(set, not shown)")
    } else {
        setting.value.clone()
    }
}

fn write_section(
    text: &mut String,
    section: &Described,
    mut write_setting: impl FnMut(&mut String, &Setting),
) {
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
    for line in section.about {
        write_line(text, &format!("# {}", line.trim()));
    }
    write_line(text, &format!("[{}]", section.path));
    for setting in &section.settings {
        write_setting(text, setting);
    }
}

fn write_line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}
