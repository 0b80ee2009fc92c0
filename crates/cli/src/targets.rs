//! The files that a command works on, one after the other, and the names of their outputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::args::PrintOptions;
use crate::failure::Failure;
use crate::output::parent;
use crate::place::Place;
use crate::platform;
use crate::print::{self, ErrorFormat};

/// An input and its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) input: Place,
    pub(crate) output: Place,
}

/// The targets of a command: `output` is that of the only input, or a directory for the outputs of
/// all; without it `name_of` gives each output its name.
///
/// # Errors
///
/// [`Failure::Usage`] where several inputs are to become one output, and that of `name_of`.
pub(crate) fn targets(
    inputs: Vec<Place>,
    output: Option<&Place>,
    name_of: impl Fn(&Place) -> Result<Place, Failure>,
) -> Result<Vec<Target>, Failure> {
    let several = inputs.len() > 1;
    let mut targets = Vec::with_capacity(inputs.len());
    for input in inputs {
        if several && input == Place::Standard {
            return Err(Failure::Usage(
                "standard input is one input of several; give it a command of its own".to_owned(),
            ));
        }
        let output = match output {
            None => name_of(&input)?,
            Some(Place::Path(directory)) if input != Place::Standard && directory.is_dir() => {
                into_directory(directory, &name_of(&input)?)
            }
            Some(other) if several => {
                return Err(Failure::Usage(format!(
                    "several files cannot all become {other}; name a directory with -o, or leave it \
                     away"
                )));
            }
            Some(place) => place.clone().into_output(),
        };
        targets.push(Target { input, output });
    }
    refuse_overlap(&targets)?;
    Ok(targets)
}

/// Refuses targets of which one would overwrite what another reads or has made, by whatever names.
fn refuse_overlap(targets: &[Target]) -> Result<(), Failure> {
    if targets.len() < 2 {
        return Ok(());
    }
    let mut outputs = BTreeMap::new();
    for (at, Target { output, .. }) in targets.iter().enumerate() {
        if outputs.insert(destination(output), at).is_some() {
            return Err(Failure::Usage(format!(
                "two of the files would both become {output}; give them commands of their own"
            )));
        }
    }
    // A file has several names where links name its inode.
    let identity = |place: &Place| platform::identity_at(place.path()?).ok();
    let outputs_there: BTreeMap<_, _> = targets
        .iter()
        .enumerate()
        .filter_map(|(at, target)| Some((identity(&target.output)?, at)))
        .collect();
    for (at, Target { input, .. }) in targets.iter().enumerate() {
        let there = identity(input).and_then(|identity| outputs_there.get(&identity));
        let Some(made) = there.or_else(|| outputs.get(&destination(input))) else { continue };
        // One that is its own output is told of when it is its turn.
        if let Some(other) = targets.get(*made).filter(|_| *made != at) {
            return Err(Failure::Usage(format!(
                "{input} is to be read, and {} is to become {} at the same place; give them commands of their own",
                other.input, other.output
            )));
        }
    }
    Ok(())
}

/// The path at which a file at `place` is or would be, whatever names lead there.
fn destination(place: &Place) -> PathBuf {
    let Place::Path(path) = place else { return PathBuf::from("-") };
    // A link to nothing is replaced itself.
    let found = fs::canonicalize(path).or_else(|_| {
        let directory = fs::canonicalize(parent(path))?;
        Ok::<_, io::Error>(path.file_name().map_or(directory.clone(), |name| directory.join(name)))
    });
    found.unwrap_or_else(|_| path.clone())
}

fn into_directory(directory: &Path, name: &Place) -> Place {
    let name = name.path().and_then(Path::file_name);
    Place::Path(name.map_or_else(|| directory.to_owned(), |name| directory.join(name)))
}

/// Works on one item after another. A failure of the only one is the command's; of several each is
/// printed when it happens, and the next item follows.
///
/// # Errors
///
/// The failure of the only item, or [`Failure::SomeLeft`] with `done`, a participle, and the places that are left.
pub(crate) fn each<T>(
    items: Vec<T>,
    print: PrintOptions,
    done: &'static str,
    place_of: impl Fn(&T) -> &Place,
    mut work: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (files, mut left) = (items.len(), Vec::new());
    for item in items {
        let place = place_of(&item).clone();
        match work(item) {
            Ok(()) => {}
            Err(failure) if files == 1 => return Err(failure),
            Err(failure) => {
                print::error(&failure, ErrorFormat::asked_for(print.json.enabled));
                left.push(place);
            }
        }
    }
    if left.is_empty() { Ok(()) } else { Err(Failure::SomeLeft { files, done, left }) }
}

/// The name that `seal` gives its output by default.
pub(crate) fn sealed_name(input: &Place) -> Place {
    match input {
        Place::Standard => Place::Standard,
        Place::Path(path) => {
            let mut name = path.clone().into_os_string();
            name.push(".sealed");
            Place::Path(name.into())
        }
    }
}

/// The name that `open` gives its output by default.
///
/// # Errors
///
/// [`Failure::Usage`] when the input's name does not end in `.sealed`.
pub(crate) fn opened_name(input: &Place) -> Result<Place, Failure> {
    let Place::Path(path) = input else { return Ok(Place::Standard) };
    match (path.extension(), path.file_stem()) {
        (Some(extension), Some(_)) if extension == "sealed" => {
            Ok(Place::Path(path.with_extension("")))
        }
        _ => Err(Failure::Usage(format!(
            "{input} does not end in .sealed, so what to call the opened document is not clear; \
             name it with -o"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn path(text: &str) -> Place {
        Place::from(OsStr::new(text))
    }

    #[test]
    fn names_of_outputs_follow_from_those_of_inputs() {
        for (plain, sealed) in [
            ("a", "a.sealed"),
            ("dir.x/a.pdf", "dir.x/a.pdf.sealed"),
            ("a.sealed", "a.sealed.sealed"),
            ("-", "-"),
            ("./-", "./-.sealed"),
        ] {
            assert_eq!(sealed_name(&path(plain)), path(sealed));
            assert_eq!(opened_name(&path(sealed)).unwrap(), path(plain));
        }
        for other in ["a", "a.sealed.bak", ".sealed", "dir.sealed/a", "a.SEALED", "/", ".."] {
            let error = opened_name(&path(other)).unwrap_err();
            assert!(matches!(error, Failure::Usage(_)), "{error}");
        }
    }

    #[test]
    fn several_files_become_as_many() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| Place::Path(directory.path().join(name));
        let targets = |inputs: &[&str], output: Option<Place>| {
            let inputs = inputs.iter().map(|input| path(input)).collect();
            targets(inputs, output.as_ref(), |input| Ok(sealed_name(input)))
                .map(|targets| targets.into_iter().map(|target| target.output).collect::<Vec<_>>())
        };
        let into = || Some(inside("."));
        assert_eq!(targets(&["a", "b/c"], None).unwrap(), [path("a.sealed"), path("b/c.sealed")]);
        let (a, c) = (inside("./a.sealed"), inside("./c.sealed"));
        assert_eq!(targets(&["a", "b/c"], into()).unwrap(), [a.clone(), c]);
        assert_eq!(targets(&["x/a"], into()).unwrap(), [a]);
        assert_eq!(targets(&["a"], Some(path("b"))).unwrap(), [path("b")]);
        assert_eq!(targets(&["-"], into()).unwrap(), [inside(".")]);
        for (inputs, output) in [
            (&["a", "-"][..], None),
            (&["a", "b"], Some(path("one"))),
            (&["a", "b"], Some(path("-"))),
            (&["a", "b/a"], into()),
            (&["a", "a"], None),
        ] {
            let error = targets(inputs, output).unwrap_err();
            assert!(matches!(error, Failure::Usage(_)), "{error}");
        }
    }
}
